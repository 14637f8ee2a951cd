"""Sources: the tables other systems write, and the leads that are scored."""

"""Who still names a version's own view, tables or model."""

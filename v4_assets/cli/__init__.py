"""The command `v4`, by what it is about."""

"""The features of the day, one table for each version, and how far they are from training."""

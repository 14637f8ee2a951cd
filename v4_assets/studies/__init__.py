"""Error rates of a policy, and its decisions replayed on past evidence. Not part of the daily run."""

"""The warehouse: its protocol, its two engines, what was written and what passed."""

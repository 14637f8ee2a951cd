"""What the warehouse remembers of decisions: production and its events, what was written, what passed."""

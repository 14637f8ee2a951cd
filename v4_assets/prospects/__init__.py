"""Every producing, active advisor, scored once a month, and the list of whom to contact."""

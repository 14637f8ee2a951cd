"""Bringing the live version's scores to the Lead records: what differs, sending it, accounting for every row."""

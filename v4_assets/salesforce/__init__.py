"""The live version's scores on the Lead records: what differs, sending it, accounting for every row."""

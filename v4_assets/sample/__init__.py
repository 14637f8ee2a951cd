"""A deterministic sample world: the four source tables, calibrated to the documented figures. Not the firm's data."""

"""Deciding and acting: the order a decision becomes, the sensors that decide and alert, the jobs' report, sunset."""

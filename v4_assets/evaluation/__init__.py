"""How well each version ranked the leads that have matured: cohorts, metrics with intervals, evidence."""

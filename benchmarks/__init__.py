"""What things cost, as ratios measured side by side. `make bench` prints them; docs/benchmarks.md keeps them.

Every measurement is a process of its own, so that time includes nothing of another's and memory is its own peak.
"""

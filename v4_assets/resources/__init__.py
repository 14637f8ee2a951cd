"""What reaches outside: the warehouse and the model registry. I/O only: no column lists, no thresholds."""

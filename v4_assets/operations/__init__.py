"""Running it and keeping it running: runs in this process, status, doctor, what a build asks, what is thrown away."""

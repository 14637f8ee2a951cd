"""Model bundles: trained, profiled, registered, verified at every load."""

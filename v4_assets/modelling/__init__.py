"""One model bundle: trained, profiled, registered, scored with. Nothing here knows of days or production."""

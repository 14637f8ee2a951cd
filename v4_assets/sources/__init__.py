"""The source tables as they are each morning, and the list of open leads."""

"""A simulated screening programme, read through the reading room itself under each policy."""

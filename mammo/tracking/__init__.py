"""Mammograms beside earlier ones: what became of each mark."""

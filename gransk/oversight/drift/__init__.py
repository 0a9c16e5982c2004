"""Drift: distributions of what is observed against a reference period, and outcomes against it."""

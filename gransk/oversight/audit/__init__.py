"""Audit: what the event log tells, to whom, and whether it is whole."""

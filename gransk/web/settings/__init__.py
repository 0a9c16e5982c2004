"""The settings' pages and calls."""

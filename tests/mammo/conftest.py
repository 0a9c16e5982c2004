"""The folder of drawn breasts is imported by name."""

"""Gransk: AI as a colleague in the reading room, for Orthanc."""

__version__ = "0.7.0"

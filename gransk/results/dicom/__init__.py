"""Findings as DICOM objects, and our own structured report back to findings."""

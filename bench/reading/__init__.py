"""Figures of reading: reader studies, programmes, policies."""

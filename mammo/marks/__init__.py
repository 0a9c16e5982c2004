"""Marks on views, and what they have to do with each other."""

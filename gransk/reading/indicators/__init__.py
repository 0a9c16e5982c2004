"""Indicators of screening: counted from past exams, with intervals and levels, rounds apart."""

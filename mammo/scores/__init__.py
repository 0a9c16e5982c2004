"""Scores, and their calibration on a site's own exams."""

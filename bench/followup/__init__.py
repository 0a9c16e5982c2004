"""True follow-ups of real scans: matching, growth and doubling times against the truth."""

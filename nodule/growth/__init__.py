"""How a nodule changed between two scans, and whether a guideline calls it growth."""

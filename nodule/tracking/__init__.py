"""A study beside another of the same patient: which nodule is which, and what became of each."""

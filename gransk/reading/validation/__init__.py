"""Local validation: how well a model version does on a unit's own exams, before it may count."""

"""Example models that are not ours, one for each contract (docs/contracts.md)."""

"""What another policy would have done with a unit's own past, as far as the past can tell."""

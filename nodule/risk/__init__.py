"""The risk profile, and the models that turn it into a probability of cancer."""

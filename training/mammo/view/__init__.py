"""How the model that recognises breast, view and strange images is made."""

"""Follow-up guidelines as tables, and the engine that finds a nodule's row in them."""

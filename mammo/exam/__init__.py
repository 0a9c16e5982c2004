"""From attributes and images to the views of an exam."""

"""What an application may know: studies, geometry, findings, models, reason codes."""

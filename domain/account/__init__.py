"""An SMTP account: its settings, limits, health, and where it may connect to."""

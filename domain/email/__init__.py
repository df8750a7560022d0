"""An email's life: its statuses, recipients and attempts, when it may go and why it waits."""

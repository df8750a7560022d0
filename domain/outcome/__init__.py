"""What a mail server said, and what follows from it."""

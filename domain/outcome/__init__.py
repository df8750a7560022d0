"""What a mail server answered, and what follows from it."""

"""Which processes deliver, and what each of them may use."""

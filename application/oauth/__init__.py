"""Access tokens of accounts that log in by OAuth: granted, kept, renewed, and who is to blame."""

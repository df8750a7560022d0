"""What the service tells others of its emails and SMTP accounts: events, stored to be read."""

"""What stands between an account's mail and the inbox, judged from answers of the DNS."""

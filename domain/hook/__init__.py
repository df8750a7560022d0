"""What providers report by HTTP about emails: the hooks they call, and how their calls are read."""

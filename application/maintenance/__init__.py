"""What keeps the queue whole, apart from delivery itself."""

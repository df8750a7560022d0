"""The process itself: its signals, sockets, processor, child processes and log."""

"""The parts of ``send-csv``: calls of the service, how far it has come, the report."""

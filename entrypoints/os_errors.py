"""Errors of the operating system in words for people."""


def reason_of(error: Exception) -> str:
    """What is wrong, without the number and the path that Python writes into an OSError."""
    return (isinstance(error, OSError) and error.strerror) or str(error)

"""The message as it is handed off: the one place that puts it together from what is stored."""


def whole_message(stored: bytes, from_header: bytes) -> bytes:
    """The *stored* octets behind the From line of the account; without one, as they are."""
    return from_header + stored

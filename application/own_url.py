"""Where others reach this service."""


def own_url(public_url: str | None, *, development: bool, port: int | None) -> str | None:
    """The URL without a slash at its end: *public_url*, never a name that a request gave.

    In *development* this machine is enough, under the *port* of the socket. None if nobody knows.
    """
    if public_url is None and development and port is not None:
        return f"http://127.0.0.1:{port}"
    return public_url

"""The sockets that a server listens on."""

import socket
from typing import Any


def listen(host: str, port: int, *, backlog: int) -> list[socket.socket]:
    """A socket for each address of *host*, all on the same port; 0 takes a free one. OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    made: list[socket.socket] = []
    try:
        for family, _, _, _, address in dict.fromkeys(found):
            wanted: Any = address
            if port == 0 and made:
                wanted = (address[0], made[0].getsockname()[1], *address[2:])
            made.append(socket.create_server(wanted, family=family, backlog=backlog))
    except OSError:
        for listening in made:
            listening.close()
        raise
    return made

"""Microsoft's Graph API as a way out for mail: what an account of it looks like, and its limits.

``POST /v1.0/users/{mailbox}/sendMail`` takes the message as base64 of MIME, without an envelope.
Limits (learn.microsoft.com, November 2026): a request of 4 MB (graph/api/user-sendmail), four
requests at once for a mailbox (graph/throttling-limits), 30 messages a minute and 10,000 recipients
a day (Exchange Online limits).
"""

from collections.abc import Iterator
from typing import Final

from domain.account.oauth import OAuthClient, OAuthProvider
from domain.address import is_loopback
from domain.errors import FieldError

HOST: Final = "graph.microsoft.com"
# The national clouds have servers of their own (graph/deployments); their tokens are those of a
# custom provider.
HOSTS: Final = frozenset(
    {
        HOST,
        "graph.microsoft.us",
        "dod-graph.microsoft.us",
        "microsoftgraph.chinacloudapi.cn",
    }
)
PORT: Final = 443
MOST_OCTETS: Final = 3_000_000  # of a message; base64 makes 4 MB of them
MOST_REQUESTS: Final = 4  # at once
A_MINUTE: Final = 30
A_DAY: Final = 10_000


def graph_errors(
    *, host: str, port: int, security: str, client: OAuthClient | None, connections: int
) -> Iterator[FieldError]:
    """What does not go together in an account whose mail leaves over Graph.

    *security* is a value of `domain.account.account.Security`. A server on this machine is one that
    is played.
    """
    if client is None:
        yield FieldError("auth", "is required for the transport graph: log in by OAuth")
    elif client.provider is OAuthProvider.GOOGLE:
        yield FieldError("auth/provider", "must be microsoft for the transport graph")
    if is_loopback(host):
        if security == "starttls":
            yield FieldError("use_tls", "is for SMTP: leave it out for the transport graph")
    elif host not in HOSTS:
        yield FieldError("host", f"must be {HOST} for the transport graph: leave it out")
    else:
        if port != PORT:
            yield FieldError("port", f"must be {PORT} for the transport graph: leave it out")
        if security != "tls":
            yield FieldError("use_ssl", "must be true for the transport graph: leave it out")
    if connections > MOST_REQUESTS:
        yield FieldError(
            "max_connections",
            f"must be at most {MOST_REQUESTS} for the transport graph: "
            "Microsoft takes no more requests at once for a mailbox",
        )


def base_url(*, host: str, port: int, secure: bool) -> str:
    """Where the API begins, without a slash at its end."""
    if port == PORT and secure:
        return f"https://{host}"
    literal = f"[{host}]" if ":" in host else host
    return f"{'https' if secure else 'http'}://{literal}:{port}"

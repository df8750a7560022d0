"""Authorization servers over HTTP: oauthlib writes the messages, the WebClient port carries them.

What an answer means is judged in `domain/account/oauth_answer.py`: oauthlib's reader takes no text
for a lifetime and no HTML for an error. No body is logged, neither what is sent nor what comes back
(oauthlib logs none of them either: its clients are not used, only what builds their messages).
"""

from adapters.oauth.server import WebAuthorizationServer

__all__ = ["WebAuthorizationServer"]

"""Replies as they may be kept: without the login's secret."""

from domain.dialogue.replies import ServerReply
from domain.outcome.handoff import Reply
from domain.outcome.secret_forms import SecretForms


class Redaction:
    """What one connection has sent of a secret: some servers repeat what they were sent."""

    def __init__(self) -> None:
        self._forms: SecretForms | None = None
        self._logging_in = False

    def begin_login(self, forms: SecretForms) -> None:
        """From now on replies may hold the secret, most likely until the login is over."""
        self._forms, self._logging_in = forms, True

    def end_login(self) -> None:
        """The server took the login."""
        self._logging_in = False

    def clean(self, reply: ServerReply) -> Reply:
        """The reply without the secret."""
        forms = self._forms
        if forms is None:
            return reply.as_reply()
        if self._logging_in:
            return forms.kept_at_login(reply.code, reply.lines)
        lines = forms.masked(reply.lines)
        if lines is reply.lines:
            return reply.as_reply()
        return ServerReply(reply.code, tuple(lines)).as_reply()

"""Trying an account out without sending: what each stage answered."""

from collections.abc import Sequence

import attrs

from domain.account.account import Account
from domain.outcome.handoff import Handoff, Problem, Reply, Stage


@attrs.frozen(kw_only=True)
class Step:
    """The result of one stage: a reply, a problem, or neither where the server sends nothing."""

    stage: Stage
    reply: Reply | None = None
    problem: Problem | None = None
    detail: str = ""

    @property
    def ok(self) -> bool:
        """Whether the dialogue may go on."""
        return self.problem is None and (self.reply is None or self.reply.positive)

    @property
    def text(self) -> str:
        """The reply or the detail, for a person."""
        return str(self.reply) if self.reply is not None else self.detail

    @classmethod
    def of(cls, handoff: Handoff) -> "Step":
        """The last step of a dialogue that failed."""
        return cls(
            stage=handoff.stage,
            reply=handoff.reply,
            problem=handoff.problem,
            detail=handoff.detail,
        )


@attrs.frozen
class Verification:
    """How far a dialogue got that ends before DATA; the last step is the one that failed."""

    account: Account
    steps: Sequence[Step]

    @property
    def failed(self) -> Step | None:
        """The step that it ended with; None if all went well."""
        return next((step for step in self.steps if not step.ok), None)

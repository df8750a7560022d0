"""What a server may ask of a request before it reads the body: would it be answered at all?

It calls the application with a `Judgement` in the environ, and without the body. Either the answer
is a refusal, and then it is *the* answer; or the judgement has passed. The call with the body
brings the same judgement with it, so that nobody is counted twice.
"""

from typing import Final

import attrs

from application.rate_limit import Allowance
from domain.access import Caller

JUDGEMENT: Final = "email_service.judgement"  # no header becomes a key like this


@attrs.define
class Judgement:
    """The caller of a request, once it is known that the request may go on."""

    passed: bool = False
    caller: Caller | None = None
    allowance: Allowance | None = None

"""Whether what is authenticated belongs to the domain in From (RFC 9989, 4.4 and 4.10.2)."""

from collections.abc import Sequence

import attrs

from domain.doctor.dmarc import RFC, Walk
from domain.doctor.finding import Finding, Status, listed


@attrs.frozen(kw_only=True)
class Identifier:
    """A domain that SPF or DKIM authenticates. ``valid``: whether it succeeds; None is unknown."""

    mechanism: str  # "SPF" or "DKIM"
    domain: str
    valid: bool | None
    walked: Walk


def aligned(identifier: Identifier, *, author: Walk) -> bool | None:
    """Whether *identifier* is aligned with the author's domain; None if the DNS did not tell."""
    if identifier.domain == author.domain:
        return True
    record = author.applied
    if record is None and not author.known:
        return None
    strict = record is not None and (
        record.strict_spf if identifier.mechanism == "SPF" else record.strict_dkim
    )
    if strict:
        return False
    one, other = identifier.walked.organization, author.organization
    return None if one is None or other is None else one == other


def counts(identifier: Identifier, *, author: Walk) -> bool | None:
    """Whether it makes DMARC pass: it is valid and aligned; None if one of both is not known."""
    is_aligned = aligned(identifier, author=author)
    if identifier.valid is False or is_aligned is False:
        return False
    return True if identifier.valid and is_aligned else None


def judge_alignment(identifiers: Sequence[Identifier], *, author: Walk) -> Finding:
    """Of all that is authenticated together: DMARC passes if one counts."""
    counted = [(one, counts(one, author=author)) for one in identifiers]
    passing = sorted({one.mechanism for one, does in counted if does})
    unsure = sorted({one.mechanism for one, does in counted if does is None})
    told = listed((_told(one, author) for one in identifiers), most=6) or "nothing is authenticated"
    status, fix = Status.OK, ""
    if not passing and unsure:
        status = Status.UNKNOWN
        fix = "Mend what is unknown above, or give a message (--message)."
    elif not passing:
        status = Status.FAIL
        fix = (
            f"Have the relay sign (DKIM) with {author.domain}, or let bounces come to a domain of "
            "the same organization: otherwise DMARC fails for all mail."
        )
    elif passing == ["SPF"] and "DKIM" not in unsure:
        status = Status.WARN
        fix = f"Sign with DKIM as {author.domain} too: SPF fails where mail is forwarded."
    return Finding(
        code="alignment",
        status=status,
        found=told,
        expected=f"SPF or DKIM passes for the organizational domain of {author.domain}",
        fix=fix,
        source=f"{RFC}, 4.4 and 4.10.2",
    )


def _told(identifier: Identifier, author: Walk) -> str:
    is_aligned = aligned(identifier, author=author)
    words = {True: "aligned", False: "not aligned", None: "alignment unknown"}
    valid = {True: "", False: ", does not pass", None: ", not known whether it passes"}
    return (
        f"{identifier.mechanism} {identifier.domain} ({words[is_aligned]}{valid[identifier.valid]})"
    )

"""What in a finished message makes filters distrust it, or mail readers show it badly.

``outline`` reads the HTML, ``headers`` and ``content`` hold the checks. Who signs a message, and
what the DNS says of its sender, is the doctor's (`domain.doctor`).
"""

from typing import Final

from domain.lint import content, headers
from domain.lint.finding import Check, Examined, Finding, Level

CHECKS: Final = (*headers.CHECKS, *content.CHECKS)
_ORDER: Final = {level: place for place, level in enumerate(Level)}


def lint(examined: Examined) -> tuple[Finding, ...]:
    """What the checks find, what matters most first."""
    found = [
        Finding(check=check, places=tuple(places))
        for check in CHECKS
        if (places := check.found(examined)) is not None
    ]
    return tuple(sorted(found, key=lambda finding: _ORDER[finding.check.level]))


__all__ = ["CHECKS", "Check", "Examined", "Finding", "Level", "lint"]

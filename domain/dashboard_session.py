"""A browser that is logged in to the dashboard by an API key."""

from datetime import datetime, timedelta
from typing import Final

import attrs

LIFETIME: Final = timedelta(hours=12)


@attrs.frozen(kw_only=True)
class DashboardSession:
    """One login. *digest* is of the secret in the browser's cookie, which is stored nowhere.

    It may do what the API key with this prefix may do, and ends with it.
    """

    digest: bytes = attrs.field(repr=False)
    key_prefix: str
    created_at: datetime
    expires_at: datetime

    def usable(self, now: datetime) -> bool:
        """Whether it has not ended by time."""
        return now < self.expires_at

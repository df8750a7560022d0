"""A file that a client uploaded, to attach it to any number of emails."""

from datetime import datetime, timedelta
from typing import Final

import attrs

from domain.message.attachment import Blob

KEPT: Final = timedelta(hours=24)  # unless an email carries it


@attrs.frozen(kw_only=True)
class Upload:
    """A file under an id of its own, for the API key *key_id* alone (None: the owner here)."""

    id: str
    key_id: int | None
    blob: Blob
    content_type: str
    created_at: datetime

"""The tables as they are now, for queries that are not hot.

They are made by the migrations, never from here; a test compares the two. No model is bound to a
database: a query is handed to the session that runs it.
"""

from peewee import (
    BigAutoField,
    BigIntegerField,
    BlobField,
    CompositeKey,
    IntegerField,
    Model,
    TextField,
)


class AccountRow(Model):
    """An SMTP account; *health* is JSON."""

    id = BigAutoField()
    version = BigIntegerField()
    name = TextField(unique=True)
    address = TextField()
    display_name = TextField()
    host = TextField()
    port = IntegerField()
    security = TextField()
    username = TextField()
    sealed_password = BlobField(null=True)
    auth_mechanism = TextField(null=True)
    announce_next = IntegerField()
    active = IntegerField()
    daily = BigIntegerField(null=True)
    hourly = BigIntegerField(null=True)
    minute = BigIntegerField(null=True)
    unit = TextField()
    max_connections = IntegerField()
    priority_reserve = IntegerField()
    on_unknown = TextField(null=True)
    health = TextField()
    created_at = BigIntegerField()
    updated_at = BigIntegerField()
    aliases = TextField()
    oauth = TextField()
    transport = TextField()
    ses_headers = IntegerField()
    allowed_octets = BigIntegerField(null=True)
    last_sent_at = BigIntegerField(null=True)

    class Meta:
        table_name = "account"


class DkimKeyRow(Model):
    """A key that an account signs with; *record* is its public half as the DNS has it."""

    account_id = BigIntegerField()
    selector = TextField()
    algorithm = TextField()
    domain = TextField()
    record = TextField()
    sealed_key = BlobField()
    active = IntegerField()
    created_at = BigIntegerField()

    class Meta:
        table_name = "account_dkim"
        primary_key = CompositeKey("account_id", "selector", "algorithm")


class CredentialsRow(Model):
    """What an account that logs in by OAuth has, sealed."""

    account_id = BigIntegerField(primary_key=True)
    sealed_secret = BlobField(null=True)
    sealed_key = BlobField(null=True)
    sealed_refresh = BlobField(null=True)
    sealed_access = BlobField(null=True)
    expires_at = BigIntegerField(null=True)
    obtained_at = BigIntegerField(null=True)
    refreshed_at = BigIntegerField(null=True)
    generation = BigIntegerField()
    held_by = TextField()
    failures = IntegerField()
    retry_at = BigIntegerField(null=True)
    last_error = TextField()

    class Meta:
        table_name = "account_oauth"


class InboxRow(Model):
    """The mailbox to which reports about an account's mail come, and how far it was read."""

    account_id = BigIntegerField(primary_key=True)
    version = BigIntegerField()
    host = TextField()
    port = IntegerField()
    username = TextField()
    sealed_password = BlobField(null=True)
    folder = TextField()
    poll = BigIntegerField()
    uidvalidity = BigIntegerField(null=True)
    uid = BigIntegerField(null=True)
    tried_at = BigIntegerField(null=True)
    read_at = BigIntegerField(null=True)
    failures = IntegerField()
    last_error = TextField()

    class Meta:
        table_name = "account_inbox"


class AuthorizationRow(Model):
    """An authorization that a person has begun; *digest* is that of its state."""

    digest = TextField(primary_key=True)
    account_id = BigIntegerField()
    version = BigIntegerField()
    device = IntegerField()
    sealed = BlobField()
    redirect_uri = TextField()
    browser = TextField()
    key = TextField()
    expires_at = BigIntegerField()

    class Meta:
        table_name = "oauth_authorization"


class EmailRow(Model):
    """An email without its message; *queue* is its account if it is pinned, else 0."""

    id = BigAutoField()
    subject = TextField()
    priority = IntegerField()
    status = TextField()
    phase = TextField(null=True)
    queue = BigIntegerField()
    account_id = BigIntegerField(null=True)
    attempt_no = IntegerField()
    claim_count = IntegerField()
    retry_count = IntegerField()
    unknown_count = IntegerField()
    instance = BigIntegerField(column_name="owner", null=True)
    at_most_once = IntegerField()
    possibly_delivered = IntegerField()
    smtputf8 = IntegerField()
    message_id = TextField()
    size = BigIntegerField()
    open_count = IntegerField()
    live = IntegerField()
    eligible_at = BigIntegerField()
    expires_at = BigIntegerField()
    created_at = BigIntegerField()
    updated_at = BigIntegerField()
    sent_at = BigIntegerField(null=True)
    reason_code = TextField(null=True)
    error_message = TextField(null=True)
    key_id = BigIntegerField(null=True)
    asides = IntegerField()
    content_purged_at = BigIntegerField(null=True)

    class Meta:
        table_name = "email"


class BodyRow(Model):
    """The message, byte for byte."""

    email_id = BigIntegerField(primary_key=True)
    octets = BlobField()

    class Meta:
        table_name = "email_body"


class DetailRow(Model):
    """What an email was submitted with; *detail* is a JSON object. Most emails have none."""

    email_id = BigIntegerField(primary_key=True)
    detail = TextField()

    class Meta:
        table_name = "email_detail"


class BlobRow(Model):
    """Octets in chunks; *digest* is SHA-256 in hexadecimal digits."""

    digest = TextField(primary_key=True)
    size = BigIntegerField()
    complete = IntegerField()
    created_at = BigIntegerField(index=True)

    class Meta:
        table_name = "blob"


class BlobChunkRow(Model):
    """One chunk of a blob; *n* counts from 0."""

    digest = TextField()
    n = IntegerField()
    octets = BlobField()

    class Meta:
        table_name = "blob_chunk"
        primary_key = CompositeKey("digest", "n")


class EmailBlobRow(Model):
    """A blob of an email: its base64 stands before the octet number *place* of the message.

    Its own octets, if *as_it_is*.
    """

    email_id = BigIntegerField()
    position = IntegerField()
    place = BigIntegerField()
    digest = TextField()
    as_it_is = IntegerField()

    class Meta:
        table_name = "email_blob"
        primary_key = CompositeKey("email_id", "position")


class UploadRow(Model):
    """A file that was uploaded; *key_id* is NULL for the owner at this machine."""

    id = TextField(primary_key=True)
    key_id = BigIntegerField(null=True)
    digest = TextField()
    content_type = TextField()
    created_at = BigIntegerField(index=True)

    class Meta:
        table_name = "upload"


class TopicRow(Model):
    """The topic of an email to one recipient, *address*. Most emails have none."""

    email_id = BigIntegerField(primary_key=True)
    address = TextField()
    topic = TextField()

    class Meta:
        table_name = "email_topic"
        indexes = ((("address", "topic", "email_id"), False),)


class SuppressionRow(Model):
    """An address that gets no mail of a scope. Emails with ids up to *emails_until* were there
    before the row was.
    """

    id = BigAutoField()
    address = TextField()
    scope = TextField()
    reason = TextField()
    email_id = BigIntegerField(null=True)
    created_at = BigIntegerField()
    expires_at = BigIntegerField(null=True)
    emails_until = BigIntegerField(null=True)

    class Meta:
        table_name = "suppression"
        indexes = (
            (("address", "scope", "reason"), True),
            (("reason", "id"), False),
            (("scope", "reason", "id"), False),
            (("emails_until",), False),
            (("expires_at",), False),
        )


class SecretRow(Model):
    """A secret of the service's own."""

    name = TextField(primary_key=True)
    sealed = BlobField()

    class Meta:
        table_name = "secret"


class DashboardSessionRow(Model):
    """A browser that is logged in to the dashboard."""

    digest = BlobField(primary_key=True)
    key_prefix = TextField()
    created_at = BigIntegerField()
    expires_at = BigIntegerField(index=True)

    class Meta:
        table_name = "dashboard_session"


class TagRow(Model):
    """One tag of an email; *position* counts from 0 in the order of the request."""

    tag = TextField()
    email_id = BigIntegerField()
    position = IntegerField()

    class Meta:
        table_name = "email_tag"
        primary_key = CompositeKey("tag", "email_id")


class MetadataRow(Model):
    """One pair of an email's metadata; *name* is the key."""

    name = TextField()
    value = TextField()
    email_id = BigIntegerField()

    class Meta:
        table_name = "email_metadata"
        primary_key = CompositeKey("name", "value", "email_id")


class RecipientRow(Model):
    """One recipient; *position* counts from 0 in the order of the request."""

    email_id = BigIntegerField()
    position = IntegerField()
    address = TextField()
    kind = TextField()
    fate = TextField()
    reason = TextField(null=True)
    reply_code = IntegerField(null=True)
    reply_enhanced = TextField(null=True)
    reply_text = TextField(null=True)

    class Meta:
        table_name = "recipient"
        primary_key = CompositeKey("email_id", "position")


class BounceRow(Model):
    """What a report has told of a recipient; *position* is -1 for nobody that it names."""

    email_id = BigIntegerField()
    position = IntegerField()
    type = TextField()
    kind = TextField()
    status = TextField(null=True)
    text = TextField()
    at = BigIntegerField()

    class Meta:
        table_name = "bounce"
        primary_key = CompositeKey("email_id", "position", "type")


class ProviderNameRow(Model):
    """What the provider that accepted an email in an attempt calls it."""

    email_id = BigIntegerField()
    attempt_no = IntegerField()
    name = TextField()

    class Meta:
        table_name = "provider_name"
        primary_key = CompositeKey("email_id", "attempt_no")


class AttemptRow(Model):
    """One attempt; *duration* is in microseconds."""

    email_id = BigIntegerField()
    attempt_no = IntegerField()
    account_id = BigIntegerField()
    account_name = TextField()
    instance = BigIntegerField(column_name="owner")
    started_at = BigIntegerField()
    ended_at = BigIntegerField(null=True)
    duration = BigIntegerField(null=True)
    stage = TextField(null=True)
    reply_code = IntegerField(null=True)
    reply_enhanced = TextField(null=True)
    reply_text = TextField(null=True)
    result = TextField(null=True)
    reason = TextField(null=True)
    text = TextField()

    class Meta:
        table_name = "attempt"
        primary_key = CompositeKey("email_id", "attempt_no")


class LedgerRow(Model):
    """What one attempt uses of its account's limits; *ts* is NULL while it is only reserved."""

    email_id = BigIntegerField()
    attempt_no = IntegerField()
    account_id = BigIntegerField()
    units = BigIntegerField()
    ts = BigIntegerField(null=True)

    class Meta:
        table_name = "ledger"
        primary_key = CompositeKey("email_id", "attempt_no")


class LedgerSumRow(Model):
    """What the ledger charges an account in *width* seconds from *start*: the sum over its slots.

    The database keeps it: see the migrations 0006 and 0036.
    """

    account_id = BigIntegerField()
    width = IntegerField()
    start = BigIntegerField()
    slot = IntegerField()
    units = BigIntegerField()
    number = BigIntegerField()

    class Meta:
        table_name = "ledger_sum"
        primary_key = CompositeKey("account_id", "width", "start", "slot")


class InstanceRow(Model):
    """A process that delivers."""

    id = BigAutoField()
    host = TextField()
    pid = BigIntegerField()
    joined_at = BigIntegerField()
    beats = BigIntegerField()
    capabilities = IntegerField()

    class Meta:
        table_name = "instance"


class IdempotencyRow(Model):
    """An answer remembered; *email_ids* is a JSON list."""

    scope = TextField()
    key = TextField()
    digest = TextField()
    email_ids = TextField()
    created_at = BigIntegerField(index=True)

    class Meta:
        table_name = "idempotency"
        primary_key = CompositeKey("scope", "key")


class TemplateRow(Model):
    """One version of a template; *variables* is a JSON list, *locale* "" is the default one."""

    id = BigAutoField()
    name = TextField()
    locale = TextField()
    version = IntegerField()
    subject = TextField()
    kind = TextField()
    body = TextField()
    text = TextField(null=True)
    variables = TextField()
    created_at = BigIntegerField()
    published_at = BigIntegerField(null=True)

    class Meta:
        table_name = "template"
        indexes = ((("name", "locale", "version"), True),)


class KeyRow(Model):
    """An API key; *scopes* and *accounts* are JSON lists, *accounts* NULL is every account."""

    id = BigAutoField()
    name = TextField()
    prefix = TextField(unique=True)
    digest = BlobField()
    scopes = TextField()
    accounts = TextField(null=True)
    daily_recipients = BigIntegerField(null=True)
    created_at = BigIntegerField()
    expires_at = BigIntegerField(null=True)
    revoked_at = BigIntegerField(null=True)
    rewrites_from = IntegerField(default=0)

    class Meta:
        table_name = "api_key"


class KeyUsageRow(Model):
    """How many recipients a key has named in one hour."""

    key_id = BigIntegerField()
    hour = BigIntegerField(index=True)
    recipients = BigIntegerField()

    class Meta:
        table_name = "key_usage"
        primary_key = CompositeKey("key_id", "hour")


class AuditRow(Model):
    """Who did what; *detail* is a JSON object."""

    id = BigAutoField()
    at = BigIntegerField()
    actor = TextField()
    action = TextField()
    subject = TextField()
    detail = TextField()

    class Meta:
        table_name = "audit"


class EventRow(Model):
    """An event; *tx* is the transaction that wrote it (0 in SQLite), *data* a JSON object."""

    id = BigAutoField()
    tx = BigIntegerField()
    type = TextField()
    email_id = BigIntegerField(null=True, index=True)
    account_id = BigIntegerField(null=True)
    key_id = BigIntegerField(null=True)
    at = BigIntegerField()
    data = TextField()

    class Meta:
        table_name = "event"


class FullMailboxRow(Model):
    """An email that was refused because the mailbox of *address* is full."""

    address = TextField()
    email_id = BigIntegerField()
    at = BigIntegerField(index=True)

    class Meta:
        table_name = "full_mailbox"
        primary_key = CompositeKey("address", "email_id")


class AlertRow(Model):
    """The last alert of an account (0 is none) for a reason: its email, or why there is none."""

    account_id = BigIntegerField()
    reason = TextField()
    event_id = BigIntegerField()
    at = BigIntegerField()
    email_id = BigIntegerField(null=True)
    problem = TextField(null=True)

    class Meta:
        table_name = "alert"
        primary_key = CompositeKey("account_id", "reason")


class ThroughputRow(Model):
    """What was counted in an hour that is not folded yet; *hour* is its beginning, *place* that of
    the duration (-1: none), *duration* all of them together in microseconds.
    """

    hour = BigIntegerField()
    what = TextField()
    label = TextField()
    account_id = BigIntegerField()
    place = IntegerField()
    slot = IntegerField()
    n = BigIntegerField()
    duration = BigIntegerField()

    class Meta:
        table_name = "throughput"
        primary_key = CompositeKey("hour", "what", "label", "account_id", "place", "slot")


class ThroughputTotalRow(Model):
    """All that was folded."""

    what = TextField()
    label = TextField()
    account_id = BigIntegerField()
    place = IntegerField()
    n = BigIntegerField()
    duration = BigIntegerField()

    class Meta:
        table_name = "throughput_total"
        primary_key = CompositeKey("what", "label", "account_id", "place")


class ThroughputHourRow(Model):
    """An hour that was folded."""

    hour = BigIntegerField()
    what = TextField()
    label = TextField()
    n = BigIntegerField()

    class Meta:
        table_name = "throughput_hour"
        primary_key = CompositeKey("hour", "what", "label")


class WatchNoteRow(Model):
    """What watching the service remembers: *value* is JSON."""

    name = TextField(primary_key=True)
    value = TextField()

    class Meta:
        table_name = "watch_note"


class WebhookRow(Model):
    """A webhook; *types* and *accounts* are JSON lists, *accounts* NULL is every account."""

    id = BigAutoField()
    url = TextField()
    types = TextField()
    accounts = TextField(null=True)
    sealed_secret = BlobField()
    sealed_old = BlobField(null=True)
    old_until = BigIntegerField(null=True)
    disabled = TextField(null=True)
    disabled_at = BigIntegerField(null=True)
    failing_since = BigIntegerField(null=True)
    position_commit = BigIntegerField()
    position_id = BigIntegerField()
    created_at = BigIntegerField()
    updated_at = BigIntegerField()

    class Meta:
        table_name = "webhook"


class WebhookDeliveryRow(Model):
    """An event that waits to be told to a webhook; a test has a negative *event_id*."""

    webhook_id = BigIntegerField()
    event_id = BigIntegerField()
    tries = IntegerField()
    next_at = BigIntegerField()

    class Meta:
        table_name = "webhook_delivery"
        primary_key = CompositeKey("webhook_id", "event_id")


class WebhookAttemptRow(Model):
    """A call that was made; *duration* in microseconds."""

    id = BigAutoField()
    webhook_id = BigIntegerField()
    event_id = BigIntegerField()
    number = IntegerField()
    at = BigIntegerField()
    duration = BigIntegerField()
    status = IntegerField(null=True)
    problem = TextField(null=True)

    class Meta:
        table_name = "webhook_attempt"


class LeaseRow(Model):
    """Who does a work that one process does for all, and until when."""

    name = TextField(primary_key=True)
    holder = TextField()
    until = BigIntegerField()

    class Meta:
        table_name = "lease"


class StatusCountRow(Model):
    """How many emails stand in one status of one queue: the sum over its slots."""

    queue = BigIntegerField()
    status = TextField()
    n = BigIntegerField()
    slot = IntegerField()

    class Meta:
        table_name = "tally"
        primary_key = CompositeKey("queue", "status")


class RetentionRow(Model):
    """One row in a database from before anything was removed: no age counts from before then."""

    id = IntegerField(primary_key=True)
    counts_from = BigIntegerField()
    told = IntegerField()

    class Meta:
        table_name = "retention"


class HookRow(Model):
    """A URL that a provider calls; *digest* is that of its secret."""

    id = BigAutoField()
    account_id = BigIntegerField(index=True)
    kind = TextField()
    digest = TextField(unique=True)
    sealed_key = BlobField(null=True)
    topic = TextField(null=True)
    created_at = BigIntegerField()

    class Meta:
        table_name = "event_hook"


class HookTokenRow(Model):
    """A token that a call of a provider has used; *call* is the digest of that call."""

    hook_id = BigIntegerField()
    token = TextField()
    call = TextField()
    at = BigIntegerField()

    class Meta:
        table_name = "event_hook_token"
        primary_key = CompositeKey("hook_id", "token")


class ErasureRow(Model):
    """A person who is erased, or was: then without the address."""

    id = BigAutoField()
    address = TextField()
    pseudonym = TextField()
    until = BigIntegerField()
    step = TextField()
    place = BigIntegerField()
    emails = BigIntegerField()
    requested_at = BigIntegerField()
    done_at = BigIntegerField(null=True)

    class Meta:
        table_name = "erasure"


class ErasureEmailRow(Model):
    """An email that names the person, until it is redacted."""

    erasure_id = BigIntegerField()
    email_id = BigIntegerField()

    class Meta:
        table_name = "erasure_email"
        primary_key = CompositeKey("erasure_id", "email_id")


class ErasureFileRow(Model):
    """A file of such an email, until it is removed."""

    erasure_id = BigIntegerField()
    digest = TextField()

    class Meta:
        table_name = "erasure_file"
        primary_key = CompositeKey("erasure_id", "digest")


class CopyNoteRow(Model):
    """What the store remembers of being copied."""

    name = TextField(primary_key=True)
    value = TextField()

    class Meta:
        table_name = "moving"


TABLES = (
    AccountRow,
    DkimKeyRow,
    CredentialsRow,
    InboxRow,
    AuthorizationRow,
    EmailRow,
    BodyRow,
    DetailRow,
    BlobRow,
    BlobChunkRow,
    EmailBlobRow,
    UploadRow,
    TopicRow,
    SuppressionRow,
    DashboardSessionRow,
    SecretRow,
    TagRow,
    MetadataRow,
    RecipientRow,
    BounceRow,
    ProviderNameRow,
    AttemptRow,
    LedgerRow,
    LedgerSumRow,
    InstanceRow,
    IdempotencyRow,
    StatusCountRow,
    TemplateRow,
    KeyRow,
    KeyUsageRow,
    AuditRow,
    RetentionRow,
    EventRow,
    FullMailboxRow,
    AlertRow,
    WatchNoteRow,
    ThroughputRow,
    ThroughputTotalRow,
    ThroughputHourRow,
    HookRow,
    HookTokenRow,
    ErasureRow,
    ErasureEmailRow,
    ErasureFileRow,
    WebhookRow,
    WebhookDeliveryRow,
    WebhookAttemptRow,
    LeaseRow,
    CopyNoteRow,
)

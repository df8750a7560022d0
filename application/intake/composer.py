"""From a draft to an email that only has to be stored."""

from collections.abc import Sequence
from datetime import datetime

import attrs

from application.intake.draft import Draft
from application.intake.files import Files, FilesOfCall
from application.intake.message import Composed, composed
from application.intake.prepared import Prepared
from application.intake.renderings import Renderings
from application.intake.routing import Routing
from application.intake.threads import references_of
from application.intake.topics import TopicLink, topic_link
from application.ports.message import TemplateEngine
from application.ports.store import Store
from application.ports.system import Entropy
from application.unsubscribe_links import UnsubscribeLinks
from domain.access import Caller
from domain.account.account import Account
from domain.account.limits import WindowLengths
from domain.email.lifecycle import Email
from domain.email.recipient import Recipient
from domain.email.retry import RetryPolicy
from domain.email.status import initial
from domain.errors import InvalidInput
from domain.intake import IntakeLimits
from domain.mailbox import Mailbox
from domain.message.client_headers import message_token
from domain.message.compose import Content

NO_DOMAIN = "email-service.invalid"  # of a Message-ID, while no address of a sender is known


@attrs.frozen(kw_only=True)
class Letter:
    """An email whose recipients, headers and texts are known, and whose message is not made yet.

    *draft* has what its template says. *account* is that of the call's routing, None if no account
    is active. *content* lacks the files. *token* is random, and in the message alone.
    """

    draft: Draft
    account: Account | None
    link: TopicLink | None
    recipients: tuple[Recipient, ...]
    content: Content
    token: str
    message_id: str

    @property
    def needs_smtputf8(self) -> bool:
        """Whether a header or an address of it is not ASCII (RFC 6531)."""
        needs = [recipient.address.needs_smtputf8 for recipient in self.recipients]
        return True in needs or self.content.needs_smtputf8


@attrs.frozen(kw_only=True)
class Composer:
    """What emails are made with."""

    store: Store
    entropy: Entropy
    engine: TemplateEngine
    files: Files
    links: UnsubscribeLinks
    limits: IntakeLimits
    retry: RetryPolicy
    windows: WindowLengths

    def of_call(
        self, drafts: Sequence[Draft], caller: Caller, *, taken_by_all: int | None, now: datetime
    ) -> "ComposerOfCall":
        """Makes the emails of one call. InvalidInput.

        Whichever account an email goes by takes *taken_by_all* octets; None if any size is taken.
        """
        return ComposerOfCall(
            self,
            caller,
            files=self.files.of_call(caller),
            renderings=Renderings(self.store, self.engine, drafts),
            taken_by_all=taken_by_all,
            now=now,
        )


class ComposerOfCall:
    """Makes the emails of one call; templates and files that they share are read once."""

    def __init__(
        self,
        service: Composer,
        caller: Caller,
        *,
        files: FilesOfCall,
        renderings: Renderings,
        taken_by_all: int | None,
        now: datetime,
    ) -> None:
        self._service = service
        self._caller = caller
        self._files = files
        self._renderings = renderings
        self._taken_by_all = taken_by_all
        self._now = now

    def prepare(self, draft: Draft, account: Account | None) -> Prepared:
        """The email of a draft that was checked. InvalidInput, NotFound, Conflict."""
        letter = self._written(draft, account)
        made = self._composed(letter)
        size, most = made.message.size, self._taken_by_all
        fitting = None if most is None or size <= most else self._account_that_takes(letter, size)
        email = self._email(letter, size=size, fitting=fitting)
        return _prepared(letter, made, email)

    def _written(self, draft: Draft, account: Account | None) -> Letter:
        """*draft* with the texts of its template, its recipients and its headers."""
        link = None if draft.topic is None else topic_link(draft, self._service.links)
        if draft.template is not None:
            draft = self._renderings.of(draft, unsubscribe_url=None if link is None else link.url)
        recipients = draft.recipients()
        errors = self._service.limits.errors_of_email(len(recipients))
        if errors:
            raise InvalidInput(*errors)
        sender = None if draft.sender is None else draft.own_sender(account)
        shown = sender or account
        token = message_token(self._service.entropy.token(), at=self._now)
        domain = shown.address.domain if shown else NO_DOMAIN
        return Letter(
            draft=draft,
            account=account,
            link=link,
            recipients=recipients,
            content=self._content(draft, sender, link),
            token=token,
            message_id=(draft.raw and draft.raw.message_id) or f"<{token}@{domain}>",
        )

    def _content(self, draft: Draft, sender: Mailbox | None, link: TopicLink | None) -> Content:
        """What the message shows; with the headers of its *link*."""
        answers = draft.in_reply_to is not None
        references = references_of(draft, self._service.store, self._caller) if answers else ()
        content = draft.content(sender=sender, references=references)
        if link is None:
            return content
        return attrs.evolve(content, headers=(*content.headers, *link.headers(draft.header_names)))

    def _composed(self, letter: Letter) -> Composed:
        draft, account = letter.draft, letter.account
        return composed(
            draft,
            letter.content,
            message_id=letter.message_id,
            token=letter.token,
            date=self._now,
            denied=self._service.limits.denied_files,
            files=self._files,
            # an email that no account was named for may go to another one
            for_ses=draft.account_id is not None and account is not None and account.ses_headers,
        )

    def _account_that_takes(self, letter: Letter, size: int) -> Account | None:
        """The account that it must go by, because others do not take *size* octets."""
        return self._service.store.read_latest(
            lambda tx: Routing(
                tx, self._caller, windows=self._service.windows, now=self._now
            ).account_that_takes(letter.draft, size)
        )

    def _email(self, letter: Letter, *, size: int, fitting: Account | None) -> Email:
        draft, account, now = letter.draft, fitting or letter.account, self._now
        chosen = draft.account_id is not None or draft.sender is not None or fitting is not None
        due = max(draft.send_at or now, now)
        return Email(
            subject=draft.subject,
            recipients=letter.recipients,
            priority=draft.priority,
            status=initial(due=due <= now),
            account_id=account.id if account else None,
            pinned=account is not None and (chosen or self._caller.accounts is not None),
            at_most_once=draft.at_most_once,
            smtputf8=letter.needs_smtputf8,
            message_id=letter.message_id,
            size=size,
            eligible_at=due,
            expires_at=self._service.retry.expires_at(due, draft.expires_at),
            created_at=now,
            updated_at=now,
            key_id=self._caller.key_id,
        )


def _prepared(letter: Letter, made: Composed, email: Email) -> Prepared:
    draft, content = letter.draft, letter.content
    return Prepared(
        email,
        made.message.octets,
        labels=draft.labels,
        detail=draft.detail(
            made.detail,
            letter.recipients,
            sender=content.sender,
            references=content.references,
        ),
        subscription=None if letter.link is None else letter.link.subscription,
        blobs=made.message.blobs,
        large=made.large,
        via=draft.via,
    )

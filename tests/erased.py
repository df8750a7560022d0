"""A store filled with one person, in every place where an address can stand, and how it is written
there.
"""

import base64
import quopri
from datetime import timedelta
from email.message import EmailMessage

import attrs

from adapters.fakes.script import Rule
from application.ports.store import Transaction
from application.suppressions import Entry
from domain.access import LOCAL
from domain.account.health import Pause
from domain.address import Address
from domain.bounce.bounce import Bounce
from domain.bounce.report import BounceKind
from domain.email.labels import labels
from domain.email.status import Status
from domain.event.event import reported_of
from domain.mailbox import Mailbox
from domain.message.attachment import INLINE_LIMIT, Attachment
from domain.outcome.handoff import Stage
from domain.suppression import Subscription, SuppressionReason, address_key
from tests.builders import NOW, OCTETS, a_record, an_email
from tests.world import World

ADDRESS = Address("Ada.Lovelace", "xn--bcher-kva.example")
SHOWN = "ada.lovelace@bücher.example"
OTHER = "bob@example.org"
LATER = NOW + timedelta(days=3)
ENCODINGS = ("base64", "quoted-printable", "8bit")


def forms() -> set[bytes]:
    """How the address may be written, as octets in lower case."""
    found: set[bytes] = set()
    for text in (str(ADDRESS).lower(), SHOWN):
        octets = text.encode()
        found |= {octets, text.encode("utf-16-le"), text.encode("utf-7")}
        found |= {quopri.encodestring(octets), octets.replace(b"@", b"%40")}
        found |= {octets.replace(b"@", b"=40"), octets.replace(b"@", b"&#64;")}
        found.add(text.encode("ascii", "backslashreplace"))
    found.add(b"ada.lovelace")
    return {one.lower() for one in found}


def encoded() -> set[bytes]:
    """The middle of its base64, at each of the three places of a group."""
    found = set()
    for text in (str(ADDRESS), str(ADDRESS).lower(), SHOWN):
        for before in range(3):
            found.add(base64.b64encode(b"x" * before + text.encode())[4:-4])
    return found


def found_in(octets: bytes) -> list[bytes]:
    """Which forms of the address these octets have."""
    lower = octets.lower()
    return [one for one in forms() if one in lower] + [one for one in encoded() if one in octets]


def fill(world: World) -> dict[str, int]:
    """The emails by what they are; those that `OTHER` gets alone do not name the person."""
    account = world.account()
    person = str(ADDRESS)
    ids: dict[str, int] = {}
    ids["sent"] = world.submit(
        person, subject=f"For {person}", labels=labels([person], {"customer": person})
    )
    ids["both"] = world.submit(person.replace("Ada", "ADA"), OTHER)
    large = Attachment(
        filename=f"{person}.bin",
        content_type="application/octet-stream",
        octets=person.encode() * (INLINE_LIMIT // 20),
    )
    ids["file"] = world.submit(person, attachments=(large,))
    ids["reply_to"] = world.submit(OTHER, reply_to=(Mailbox(ADDRESS, "Ada"),))
    ids["named"] = world.submit(OTHER, html=f"<p>Write to {SHOWN}, ä</p>")
    ids["other"] = world.submit(OTHER)
    world.run()
    world.play(Rule(Stage.RCPT, f"451 4.3.0 {person} later"))
    ids["retry"] = world.submit(person)
    world.run()
    ids["waits"] = world.submit(person, send_at=LATER)
    ids["waits_for_both"] = world.submit(person, OTHER, send_at=LATER)
    ids["other_waits"] = world.submit(OTHER, send_at=LATER)
    world.play(Rule(Stage.RCPT, f"550 5.1.1 no {person} here"))
    ids["refused"] = world.submit(person)  # from here on the address is suppressed
    world.run()
    world.play()

    def work(tx: Transaction) -> None:
        tx.idempotency.add(a_record(key=f"welcome-{person}"))
        did = LOCAL.did("something", f"about {person}", at=NOW, to=SHOWN)
        tx.audit.add(attrs.evolve(did, actor=person))
        tx.topics.add_all({ids["refused"]: Subscription(address_key(ADDRESS), "news")})
        bounce = Bounce(
            email_id=ids["sent"],
            position=0,
            kind=BounceKind.HARD,
            status="5.1.1",
            text=f"550 no {person}",
            at=NOW,
        )
        tx.bounces.put(bounce)
        tx.full_mailboxes.add(address_key(ADDRESS), email_id=ids["sent"], at=NOW)
        tx.events.tell_reported(reported_of(tx.emails.get(ids["sent"]), [bounce], at=NOW))
        new = tx.emails.add(an_email(message_id=f"<{person}>"), OCTETS)
        tx.emails.save(new.changed(status=Status.SENT, updated_at=NOW), was=new)
        ids["message_id"] = new.id
        pause = Pause(reason="refused", text=f"554 {person} is unknown", since=NOW, until=None)
        known = tx.accounts.get(account.id)
        tx.accounts.save_health(attrs.evolve(known, health=attrs.evolve(known.health, pause=pause)))
        for encoding in ENCODINGS:
            octets = naming(encoding)
            new = tx.emails.add(an_email(size=len(octets)), octets)
            tx.emails.save(new.changed(status=Status.SENT, updated_at=NOW), was=new)
            ids[encoding] = new.id

    world.store.write(work)
    for reason, scope in (
        (SuppressionReason.COMPLAINT, "topic:news"),
        (SuppressionReason.MANUAL, "topic:news"),
    ):
        world.application.suppressions.put(Entry(address=ADDRESS, scope=scope, reason=reason))
    return ids


def naming(encoding: str) -> bytes:
    """A message to somebody else that names the person in its text."""
    message = EmailMessage()
    message["To"] = OTHER
    message.set_content(f"Ask Ada.Lovelace@bücher.example, {'ä' * 60}", cte=encoding)
    return bytes(message)


def sweep(world: World, rounds: int = 3) -> None:
    """What the process that delivers does from time to time."""
    for _ in range(rounds):
        world.clock.tick(61)
        world.application.membership.beat()
        world.application.maintenance.sweep()


def erase(world: World) -> int:
    """Ask for it, and do what can be done at once; the erasure's id."""
    erasure = world.application.erasing.request(ADDRESS)
    sweep(world)
    return erasure.id


def is_done(world: World, erasure_id: int) -> bool:
    return world.application.erasing.of(erasure_id).erasure.is_done

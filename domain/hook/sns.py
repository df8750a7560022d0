"""The envelope in which Amazon SNS sends what SES reports, and what in it may be trusted.

The envelope names the certificate that it is signed with. So the certificate must come from the SNS
of Amazon itself, in the region of the topic, by https; and only one topic may call a hook.
"""

import base64
import binascii
import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import parse_qs, urlsplit

import attrs

from domain.bounce.parse import parse_report
from domain.hook.hook import region_of
from domain.hook.reading import VendorReport, each_report, read_object, refused, text
from domain.outcome.rules_file import Rules

NOTIFICATION: Final = "Notification"
CONFIRMATION: Final = "SubscriptionConfirmation"
GOODBYE: Final = "UnsubscribeConfirmation"
RAW: Final = "X-Amz-Sns-Rawdelivery"
_TYPES: Final = frozenset({NOTIFICATION, CONFIRMATION, GOODBYE})
# which fields are signed, in this order (a subject only where there is one)
_SIGNED: Final = {
    NOTIFICATION: ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    CONFIRMATION: (
        *("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
    ),
}
_SIGNED_OF_GOODBYE: Final = _SIGNED[CONFIRMATION]
_DIGESTS: Final = {"1": "sha1", "2": "sha256"}
_CERTIFICATE: Final = re.compile(r"https://[a-z0-9.-]+/[A-Za-z0-9_-]{1,200}\.pem")


@attrs.frozen(kw_only=True)
class SnsMessage:
    """One call of SNS. *signature* is decoded; *digest* is what it was made with."""

    type: str
    message_id: str
    topic: str
    message: str = attrs.field(repr=False)
    timestamp: str
    signed_text: bytes = attrs.field(repr=False)
    signature: bytes = attrs.field(repr=False)
    digest: str
    certificate_url: str
    subscribe_url: str = attrs.field(repr=False)

    @property
    def may_trust_certificate(self) -> bool:
        """Whether the certificate is where SNS has those of the topic's region."""
        url = self.certificate_url
        return _is_of_sns(url, self.topic) and _CERTIFICATE.fullmatch(url) is not None

    @property
    def may_subscribe(self) -> bool:
        """Whether the URL that confirms the subscription does that, and for this topic."""
        if not _is_of_sns(self.subscribe_url, self.topic):
            return False
        asked = parse_qs(urlsplit(self.subscribe_url).query)
        return (asked.get("Action"), asked.get("TopicArn")) == (
            ["ConfirmSubscription"],
            [self.topic],
        )


def read_sns(octets: bytes, *, raw: bool = False) -> SnsMessage:
    """The envelope in *octets*, not verified yet. InvalidInput.

    *raw*: SNS says itself that it sends without an envelope. Then nothing is signed.
    """
    document = read_object(octets)
    kind = text(document, "Type")
    if raw or (not kind and {"notificationType", "eventType"} & document.keys()):
        raise refused(
            "the call has no envelope of SNS, and so no signature: turn raw message delivery off"
        )
    topic = text(document, "TopicArn")
    digest = _DIGESTS.get(text(document, "SignatureVersion"))
    if kind not in _TYPES or region_of(topic) is None or digest is None:
        raise refused("the call is not one of Amazon SNS that this service knows")
    names = _SIGNED.get(kind, _SIGNED_OF_GOODBYE)
    lines = [
        f"{name}\n{text(document, name)}\n"
        for name in names
        if name != "Subject" or isinstance(document.get("Subject"), str)
    ]
    try:
        signature = base64.b64decode(text(document, "Signature"), validate=True)
    except (binascii.Error, ValueError):
        signature = b""
    return SnsMessage(
        type=kind,
        message_id=text(document, "MessageId"),
        topic=topic,
        message=text(document, "Message"),
        timestamp=text(document, "Timestamp"),
        signed_text="".join(lines).encode("utf-8", "surrogatepass"),
        signature=signature,
        digest=digest,
        certificate_url=text(document, "SigningCertURL") or text(document, "SigningCertUrl"),
        subscribe_url=text(document, "SubscribeURL"),
    )


def read_ses(message: SnsMessage, *, rules: Rules) -> Sequence[VendorReport]:
    """What a notification of SES in *message* reports."""
    report = parse_report(message.message.encode("utf-8", "replace"), rules=rules)
    return each_report([VendorReport(report_id=message.message_id, report=report)])


def _is_of_sns(url: str, topic: str) -> bool:
    """Whether *url* is one of the SNS of the topic's region: of no other host, by https."""
    region = region_of(topic)
    partition = topic.split(":")[1]
    host = f"sns.{region}.amazonaws.com" + (".cn" if partition == "aws-cn" else "")
    # by its text, so that no two readers of a URL can differ
    return re.fullmatch(rf"https://{re.escape(host)}/[!-~]{{0,2000}}", url) is not None

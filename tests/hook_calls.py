"""What tests play of providers: calls of their webhooks, signed with keys of the tests' own."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID

from tests.builders import NOW

TOPIC: Final = "arn:aws:sns:eu-west-1:123456789012:bounces"
SNS: Final = "sns.eu-west-1.amazonaws.com"
CERTIFICATE_URL: Final = f"https://{SNS}/SimpleNotificationService-0123456789abcdef.pem"
MAILGUN_KEY: Final = "key-of-the-tests"
_DIGESTS: Final = {"1": hashes.SHA1(), "2": hashes.SHA256()}
_OF_NOTIFICATIONS: Final = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
_OF_CONFIRMATIONS: Final = (
    *("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
)


@cache
def sns_key() -> rsa.RSAPrivateKey:
    """The key of our own SNS."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@cache
def certificate(*, begins: datetime = NOW - timedelta(days=30), days: int = 365) -> bytes:
    """The certificate of that key, as PEM."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    builder = x509.CertificateBuilder(
        subject_name=name,
        issuer_name=name,
        public_key=sns_key().public_key(),
        serial_number=1,
        not_valid_before=begins,
        not_valid_after=begins + timedelta(days=days),
    )
    made = builder.sign(sns_key(), hashes.SHA256())
    return made.public_bytes(serialization.Encoding.PEM)


def sns_call(
    message: object = "",
    *,
    at: datetime = NOW,
    version: str = "1",
    url: str = CERTIFICATE_URL,
    **changes: Any,
) -> dict[str, Any]:
    """A signed call of SNS; *message* is what SES says. ``Signature`` may be among *changes*."""
    document: dict[str, Any] = {
        "Type": "Notification",
        "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
        "TopicArn": TOPIC,
        "Message": message if isinstance(message, str) else json.dumps(message),
        "Timestamp": at.strftime("%Y-%m-%dT%H:%M:%S.123Z"),
        "SignatureVersion": version,
        "SigningCertURL": url,
        **changes,
    }
    if "Signature" not in document:
        of_notification = document["Type"] == "Notification"
        names = _OF_NOTIFICATIONS if of_notification else _OF_CONFIRMATIONS
        text = "".join(f"{name}\n{document[name]}\n" for name in names if name in document)
        digest = _DIGESTS[version]
        signature = sns_key().sign(text.encode(), padding.PKCS1v15(), digest)
        document["Signature"] = base64.b64encode(signature).decode()
    return document


def sns_confirmation(topic: str = TOPIC, **changes: Any) -> dict[str, Any]:
    """The call with which a subscription begins."""
    fields = {
        "Type": "SubscriptionConfirmation",
        "Token": "2336412f37fb687f5d51e6e241d09c805a5a57b30d712f794cc5f6a988666d92",
        "SubscribeURL": f"https://{SNS}/?Action=ConfirmSubscription&TopicArn={topic}&Token=2336",
        "TopicArn": topic,
    }
    return sns_call("You have chosen to subscribe to the topic.", **{**fields, **changes})


def ses_bounce(
    provider_id: str, *recipients: str, kind: str = "Permanent", sub_type: str = "General"
) -> dict[str, Any]:
    """A bounce as SES has it."""
    return {
        "notificationType": "Bounce",
        "bounce": {
            "bounceType": kind,
            "bounceSubType": sub_type,
            "bouncedRecipients": [
                {
                    "emailAddress": recipient,
                    "action": "failed",
                    "status": "5.1.1",
                    "diagnosticCode": "smtp; 550 5.1.1 user unknown",
                }
                for recipient in recipients
            ],
            "timestamp": "2026-01-27T14:59:38.237Z",
            "feedbackId": "00000138111222aa-33322211-cccc-cccc-cccc-ddddaaaa068a-000000",
            "remoteMtaIp": "203.0.113.9",
            "reportingMTA": "dsn; a8-70.smtp-out.amazonses.com",
        },
        "mail": {
            "timestamp": "2026-01-27T14:59:38.237Z",
            "source": "shop@example.com",
            "messageId": provider_id,
            "destination": list(recipients),
        },
    }


@cache
def sendgrid_key() -> ec.EllipticCurvePrivateKey:
    """The key of our own SendGrid."""
    return ec.generate_private_key(ec.SECP256R1())


def sendgrid_public_key() -> str:
    """What its owner copies into a hook."""
    octets = (
        sendgrid_key()
        .public_key()
        .public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return base64.b64encode(octets).decode()


def sendgrid_headers(body: bytes, *, at: datetime = NOW) -> dict[str, str]:
    """The headers that sign *body*."""
    timestamp = str(int(at.timestamp()))
    signature = sendgrid_key().sign(timestamp.encode() + body, ec.ECDSA(hashes.SHA256()))
    return {
        "X-Twilio-Email-Event-Webhook-Signature": base64.b64encode(signature).decode(),
        "X-Twilio-Email-Event-Webhook-Timestamp": timestamp,
    }


def sendgrid_event(number: int = 1, **changes: Any) -> dict[str, Any]:
    """A bounce of an unknown user."""
    return {
        "event": "bounce",
        "type": "bounce",
        "email": "ada@example.org",
        "timestamp": 1_684_922_400,
        "sg_event_id": f"event-{number}",
        "sg_message_id": f"nhIMmON9SFOPcT0ii4nt2{number}.filter0001.16648.5515E0B88.0",
        "status": "5.1.1",
        "reason": "550 5.1.1 user unknown",
        **changes,
    }


def mailgun_call(
    *, token: str = "t" * 50, at: datetime = NOW, key: str = MAILGUN_KEY, **event: Any
) -> dict[str, Any]:
    """A permanent failure of an unknown user, signed."""
    timestamp = str(int(at.timestamp()))
    signature = hmac.new(key.encode(), f"{timestamp}{token}".encode(), hashlib.sha256).hexdigest()
    return {
        "signature": {"timestamp": timestamp, "token": token, "signature": signature},
        "event-data": {
            "id": "G9Bn5sl1TC6nu79C8C0bwg",
            "event": "failed",
            "severity": "permanent",
            "reason": "bounce",
            "recipient": "ada@example.org",
            "message": {"headers": {"message-id": "1@example.com"}},
            "delivery-status": {"code": 550, "message": "5.1.1 user unknown"},
            **event,
        },
    }


def postmark_call(**changes: Any) -> dict[str, Any]:
    """A hard bounce of an unknown user."""
    return {
        "RecordType": "Bounce",
        "ID": 4323372036854775807,
        "Type": "HardBounce",
        "MessageID": "883953f4-6105-42a2-a16a-77a8eac79483",
        "Details": "smtp;550 5.1.1 user unknown",
        "Email": "ada@example.org",
        **changes,
    }


def now_in_utc() -> datetime:
    """For a service that runs by the real clock."""
    return datetime.now(UTC)  # noqa: TID251

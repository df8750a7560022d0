"""Replies to the final dot that servers have sent, and the names of messages in them."""

import time

import pytest

from domain.outcome.handoff import Reply
from domain.outcome.provider_id import provider_message_id
from tests.machine import is_within

OWN = "the servers of tests/mail_servers"
LOGS = "a published mail log"

# the reply without its code, the name, and where the reply was found
NAMED = [
    ("2.0.0 Ok: queued as 3DDFC23E5DA", "3DDFC23E5DA", f"Postfix 3.7, {OWN}"),
    ("2.0.0 Ok: queued as 224B824BD40", "224B824BD40", "stalwartlabs/mail-send#24"),
    ("2.0.0 Ok: queued as 4Xw3lW2wzxz1nD", "4Xw3lW2wzxz1nD", "made up: a long queue id of Postfix"),
    (
        "2.0.0 2.0.0 Ok: queued as 3DDFC23E5DA",
        "3DDFC23E5DA",
        "made up: Dovecot repeats the status behind it",
    ),
    ("OK id=1xXvpi-0002n3-0b", "1xXvpi-0002n3-0b", f"Exim 4.96, {OWN}"),
    ("OK id=10HmaX-000000005vi-0000", "10HmaX-000000005vi-0000", "exim, test/stdout/4002"),
    ("OK id=1QqWzI-0007JB-00", "1QqWzI-0007JB-00", "WEB.DE, trojaner-board.de 102320"),
    ("2.0.0 5920cd0f Message accepted for delivery", "5920cd0f", f"OpenSMTPD 6.8, {OWN}"),
    (
        "queued (9F13D09E-59AD-4279-9370-701E25038B80.1)",
        "9F13D09E-59AD-4279-9370-701E25038B80.1",
        f"Haraka 3.3, {OWN}",
    ),
    (
        "Message Queued (C4748E58-86F8-4D01-8ABA-079E64A93EF1.1)",
        "C4748E58-86F8-4D01-8ABA-079E64A93EF1.1",
        LOGS,
    ),
    (
        "Message Queued (CB8EA2AE-C575-4D8B-8D33-6FD627BD0391.1)"
        " (CB8EA2AE-C575-4D8B-8D33-6FD627BD0391.1)",
        "CB8EA2AE-C575-4D8B-8D33-6FD627BD0391.1",
        f"Haraka, {LOGS}",
    ),
    (
        "2.6.0 <20230706070639.614B41E0008A@fr1.example.com> [InternalId=901943135827,"
        " Hostname=DB5PR07MB9516.eurprd07.prod.outlook.com] 11251 bytes in 0.064, 171.566 KB/sec"
        " Queued mail for delivery",
        "20230706070639.614B41E0008A@fr1.example.com",
        f"Exchange Online, {LOGS}",
    ),
    (
        "2.6.0 <0100017b0e35a8c6-2021949e-71e7-4802-aa95-ae62b696b836-000000@email.amazonses.com>"
        " [InternalId=95992519094146, Hostname=HE1EUR04HT112.eop-eur04.prod.protection.outlook.com]"
        " 13478 bytes in 0.277, 47.373 KB/sec Queued mail for delivery -> 250 2.1.5",
        "0100017b0e35a8c6-2021949e-71e7-4802-aa95-ae62b696b836-000000@email.amazonses.com",
        "Outlook.com, an SNS notification",
    ),
    (
        "2.6.0 <6b36518e-14b1-6fac-dd27-c4c900aff87c@company.example> [InternalId=23138874]"
        " Queued mail for delivery",
        "6b36518e-14b1-6fac-dd27-c4c900aff87c@company.example",
        "Exchange, sobrelinux.info 662861",
    ),
    (
        "<SNT0-MC3-F1964xSNUX00142e45@SNT0-MC3-F19.Snt0.hotmail.com> Queued mail for delivery",
        "SNT0-MC3-F1964xSNUX00142e45@SNT0-MC3-F19.Snt0.hotmail.com",
        f"Hotmail, {LOGS}",
    ),
    (
        "Ok 0100016e4ab7c399-5058a2a5-d4ad-407b-92b8-94472f229325-000000",
        "0100016e4ab7c399-5058a2a5-d4ad-407b-92b8-94472f229325-000000",
        f"Amazon SES, us-east-1, {LOGS}",
    ),
    (
        "Ok 01060175033bab4a-ce5c2b2b-3ec8-4c20-9685-8ae50f1a2d35-000000",
        "01060175033bab4a-ce5c2b2b-3ec8-4c20-9685-8ae50f1a2d35-000000",
        f"Amazon SES, ap-northeast-1, {LOGS}",
    ),
    ("Ok: queued as nhIMmON9SFOPcT0ii4nt2A", "nhIMmON9SFOPcT0ii4nt2A", "SendGrid, docs#2638"),
    (
        "OK queued as a08b7f37-ed61-423a-ba75-38ed2fd4b54c",
        "a08b7f37-ed61-423a-ba75-38ed2fd4b54c",
        "Mailjet, PHPMailer#2578",
    ),
    (
        "2.0.0 OK  1571601091 d44si1315748ede.149 - gsmtp",
        "d44si1315748ede.149",
        "Gmail, emersion/go-smtp#86",
    ),
    (
        "2.0.0 OK 1763692895 d75a77b69052e-4ee48d19aacsi14375621cf.66 - gsmtp",
        "d75a77b69052e-4ee48d19aacsi14375621cf.66",
        "Gmail, an event of Postmark's",
    ),
    (
        "2.0.0 OK: queued as <202508020358.47907466195@smtp-relay.sendinblue.com>",
        "202508020358.47907466195@smtp-relay.sendinblue.com",
        f"Brevo, {LOGS}",
    ),
    (
        "Message queued as <b317022a-32f2-e8cb-8740-f203bac5caf6@school.example>",
        "b317022a-32f2-e8cb-8740-f203bac5caf6@school.example",
        f"Brevo, {LOGS}",
    ),
    ("Message queued as 185caa69ff7000f47c", "185caa69ff7000f47c", f"ZoneMTA, {LOGS}"),
    (
        "2.0.0 Ok: queued on smtp3m.mail.yandex.net as 1430081058-6ltgNFKSir-iHEKdOrm",
        "1430081058-6ltgNFKSir-iHEKdOrm",
        "Yandex, nodemailer#422",
    ),
    (
        "2.0.0 Ok: queued on mail-nwsmtp-smtp-production-main-44.sas.yp-c.yandex.net"
        " 1689717924-N5p8495DYSw0-YqriOY9b",
        "1689717924-N5p8495DYSw0-YqriOY9b",
        f"Yandex, {LOGS}",
    ),
    (
        "Requested mail action okay, completed: id=1MKsaz-1wevcp3BHR-00M7kH",
        "1MKsaz-1wevcp3BHR-00M7kH",
        f"IONOS, {LOGS}",
    ),
    (
        "2.0.0 t5UI2nBt018923-t5UI2nBw018923 Message accepted for delivery",
        "t5UI2nBt018923-t5UI2nBw018923",
        f"Proofpoint, {LOGS}",
    ),
    ("2.0.0 qA7Lqlbm023338 Message accepted for delivery", "qA7Lqlbm023338", f"sendmail, {LOGS}"),
    (
        "2.0.0 64cP1k0015SCSiQ064cU6t mail accepted for delivery",
        "64cP1k0015SCSiQ064cU6t",
        "logstash patterns for Postfix",
    ),
    ("2.0.0 Message queued with id 217700302698266624.", "217700302698266624", f"Stalwart, {LOGS}"),
    ("ok 1065864990 qp 27338", "1065864990 qp 27338", "qmail of OVH, hilfe.ovh.de"),
    (
        "2.0.0 OK:" + "4sZ0rNp8Qb" * 4 + "k3Vw9TzY",
        "4sZ0rNp8Qb" * 4 + "k3Vw9TzY",
        "made up: Campaign Monitor, by a pattern of PHPMailer's",
    ),
    ("Ok: requeued as 5C2F0200C5", "5C2F0200C5", "Mandrill, nodemailer#412, its id made up"),
]

NAMELESS = [
    ("Great success", "Mailgun, PHPMailer#1253"),
    ("Queued. Thank you.", f"Mailgun, {LOGS}"),
    ("OK: message queued", f"smtp-server 3.21, {OWN}"),
    ("Message queued", "smtp-server, nodemailer/smtp-server#23"),
    ("2.0.0 OK: queued", "go-smtp, emersion/go-smtp#86"),
    ("Queued (0.141 seconds)", f"hMailServer, {LOGS}"),
    ("Ok: queued as ", f"qq.com, {LOGS}"),
    ("OK: queued as.", "qq.com"),
    ("2.0.0 2.0.0 taken", f"Dovecot 2.3 before a server of the tests, {OWN}"),
    ("Message accepted for delivery", "aiosmtpd"),
    ("2.5.0 Message accepted for delivery", f"Java, {LOGS}"),
    ("2.0.0 OK", "RFC 5321"),
    ("Message received", "Zoho, nodemailer#373"),
    ("ok dirdel", "Yahoo, published list of replies"),
    ("Requested mail action okay, completed", "wormly.com"),
    ("Accepted", "MailerSend, listmonk#2206"),
    ("2.6.0 <GUID> Queued mail for delivery", "Exchange's documentation, a placeholder"),
    ("", "nothing said"),
]


@pytest.mark.parametrize(("text", "name", "source"), NAMED)
def test_the_servers_name_for_the_message_is_read_from_its_reply(
    text: str, name: str, source: str
) -> None:
    assert provider_message_id(Reply.of(250, text)) == name


@pytest.mark.parametrize(("text", "source"), NAMELESS)
def test_a_reply_that_names_no_message_gives_no_name(text: str, source: str) -> None:
    assert provider_message_id(Reply.of(250, text)) is None


def test_a_refusal_and_a_missing_reply_name_nothing() -> None:
    assert provider_message_id(None) is None
    assert provider_message_id(Reply.of(451, "4.3.0 queued as 3DDFC23E5DA")) is None


def test_a_name_is_short_and_printable() -> None:
    assert provider_message_id(Reply.of(250, f"queued as {'1' * 256}")) is None
    assert provider_message_id(Reply.of(250, "queued as 1234\N{SNOWMAN}")) is None


@pytest.mark.parametrize(
    "text", ["<" * 1000, "2.0.0 " * 200, "queued on " * 100, "id=" * 330, "9" * 1000, "<1> " * 250]
)
def test_no_reply_takes_long_to_read(text: str) -> None:
    began = time.thread_time()
    provider_message_id(Reply.of(250, text))
    assert is_within(time.thread_time() - began, 0.05)

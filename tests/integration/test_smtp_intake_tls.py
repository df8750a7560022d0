"""TLS of the SMTP listener: STARTTLS, from the first octet, and a certificate that is renewed."""

import logging
import os
import ssl
import warnings

import pytest
import trustme

from entrypoints.smtp.certificates import Certificate
from tests.applications import an_application
from tests.smtp_intake import Talk, listening, talking, with_account

AUTHORITY = trustme.CA()


def issue(folder, *, when=0):
    """Write a new certificate with its key; *when* makes the time of the files another one."""
    issued = AUTHORITY.issue_cert("localhost")
    cert, key = folder / "cert.pem", folder / "key.pem"
    cert.write_bytes(b"".join(part.bytes() for part in issued.cert_chain_pems))
    key.write_bytes(issued.private_key_pem.bytes())
    for path in (cert, key):
        os.utime(path, (when, when))
    return cert, key


def trusting():
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    return context


def outdated():
    """A client that speaks TLS 1.1 at most."""
    context = trusting()
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    return context


@pytest.fixture
def certificate(tmp_path):
    return Certificate(*issue(tmp_path))


def serial(talk):
    return talk.socket.getpeercert()["serialNumber"]


def test_after_starttls_a_key_is_taken_and_before_it_is_not(certificate):
    application = an_application()
    key = with_account(application)
    with (
        listening(application, tls=certificate.context) as listener,
        talking(listener.ports[0]) as talk,
    ):
        assert talk.log_in(key).startswith("530 5.7.0 Send STARTTLS first")
        assert talk.say("MAIL FROM:<a@example.com>").startswith("530 5.7.0 Send STARTTLS first")
        assert talk.say("STARTTLS").startswith("220")
        talk.secure(trusting())
        assert talk.log_in(key).startswith("235")
        assert talk.submit() == "250 2.0.0 Ok: queued as 1"


def test_tls_may_begin_with_the_first_octet(certificate):
    application = an_application()
    key = with_account(application)
    with (
        listening(application, secure=True, tls=certificate.context) as listener,
        talking(listener.ports[0], key, context=trusting()) as talk,
    ):
        assert talk.submit() == "250 2.0.0 Ok: queued as 1"
        assert "STARTTLS" not in talk.say("EHLO me")


def test_what_is_injected_behind_starttls_is_ignored(certificate):
    application = an_application()
    with (
        listening(application, tls=certificate.context) as listener,
        talking(listener.ports[0]) as talk,
    ):
        talk.say("EHLO me")
        assert talk.say(b"STARTTLS\r\nEHLO injected\r\nNOOP").startswith("220")
        talk.secure(trusting())
        assert talk.say("AUTH PLAIN x").startswith("503 5.5.1 Send EHLO first")


def test_a_client_may_send_ehlo_with_the_last_octets_of_the_handshake(certificate):
    with (
        listening(an_application(), tls=certificate.context) as listener,
        talking(listener.ports[0]) as talk,
    ):
        talk.say("EHLO me")
        talk.say("STARTTLS")
        came, going = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = trusting().wrap_bio(came, going, server_hostname="localhost")
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                talk.send(going.read())
                came.write(talk.socket.recv(65536))
        tls.write(b"EHLO me\r\n")
        talk.send(going.read())
        answer = b""
        while not answer.endswith(b"250 ENHANCEDSTATUSCODES\r\n"):
            came.write(talk.socket.recv(65536))
            try:
                answer += tls.read()
            except ssl.SSLWantReadError:  # session tickets
                continue
        assert b"250-AUTH PLAIN LOGIN\r\n" in answer


@pytest.mark.parametrize("secure", [False, True])
def test_less_than_tls_1_2_is_not_spoken(certificate, secure):
    old = outdated()
    with listening(an_application(), secure=secure, tls=certificate.context) as listener:
        with Talk(listener.ports[0]) as talk:
            if not secure:
                talk.reply()
                talk.say("STARTTLS")
            with pytest.raises(ssl.SSLError):
                talk.secure(old)
        context = trusting() if secure else None
        with talking(listener.ports[0], context=context) as talk:
            assert talk.say("NOOP").startswith("250"), "and others are served"


def test_who_says_nothing_instead_of_a_handshake_is_turned_away(certificate):
    with (
        listening(
            an_application(), secure=True, tls=certificate.context, handshake_s=0.3
        ) as listener,
        Talk(listener.ports[0]) as talk,
    ):
        assert talk.reply() == ""


def test_a_renewed_certificate_is_shown_to_the_next_connection(tmp_path):
    certificate = Certificate(*issue(tmp_path))
    with listening(an_application(), secure=True, tls=certificate.context) as listener:
        port = listener.ports[0]
        with talking(port, context=trusting()) as first:
            before = serial(first)
            issue(tmp_path, when=1)
            with talking(port, context=trusting()) as second:
                assert serial(second) != before
            assert first.say("NOOP").startswith("250"), "open sessions go on"


@pytest.mark.parametrize("broken", ["cert.pem", "key.pem"])
def test_while_a_certificate_is_half_renewed_the_one_before_is_shown(tmp_path, caplog, broken):
    certificate = Certificate(*issue(tmp_path))
    before = certificate.context()
    (tmp_path / broken).write_text("half of it")
    with caplog.at_level(logging.ERROR, "email_service.smtp"):
        assert [certificate.context() for _ in range(3)] == [before] * 3
    assert len(caplog.records) == 1, "told once"

    (tmp_path / broken).unlink()
    assert certificate.context() is before
    issue(tmp_path, when=2)
    assert certificate.context() is not before


def test_what_is_no_certificate_is_refused_at_the_start(tmp_path):
    cert, key = issue(tmp_path)
    cert.write_text("no certificate")
    with pytest.raises(ssl.SSLError):
        Certificate(cert, key)
    with pytest.raises(FileNotFoundError):
        Certificate(tmp_path / "nothing.pem", key)

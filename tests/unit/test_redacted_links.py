"""Links to unsubscribe stand in no log."""

import io
import logging

import pytest

from entrypoints.runtime.logs import JsonFormatter, RedactedLines, TextFormatter
from entrypoints.runtime.redacted_links import LinkFilter, without_links

TOKEN = "AbC-dEf_0123456789" * 3


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"GET /u/{TOKEN} HTTP/1.1", "GET /u/*** HTTP/1.1"),
        (f"POST /mail/u/{TOKEN}?x=1", "POST /mail/u/***?x=1"),
        (f"<https://x/u/{TOKEN}> /u/{TOKEN}", "<https://x/u/***> /u/***"),
        ("GET /u/static/public.css", "GET /u/static/public.css"),
        ("/usr/u/bin", "/usr/u/bin"),
        (
            '"GET /oauth/callback?code=c&state=s HTTP/1.1" 200',
            '"GET /oauth/callback?*** HTTP/1.1" 200',
        ),
        ("https://x/mail/oauth/callback?code=c", "https://x/mail/oauth/callback?***"),
        ("GET /oauth/callback", "GET /oauth/callback"),
        (f"POST /hooks/ses/{TOKEN} HTTP/1.1", "POST /hooks/ses/*** HTTP/1.1"),
        (f'"POST /mail/hooks/sendgrid/{TOKEN}?x=1"', '"POST /mail/hooks/sendgrid/***?x=1"'),
        ("GET /api/smtp-configs/1/hooks HTTP/1.1", "GET /api/smtp-configs/1/hooks HTTP/1.1"),
        (
            "DELETE /api/smtp-configs/1/hooks/2 HTTP/1.1",
            "DELETE /api/smtp-configs/1/hooks/2 HTTP/1.1",
        ),
    ],
)
def test_the_token_of_a_link_is_left_out(text, shown):
    assert without_links(text) == shown


@pytest.mark.parametrize("formatter", [TextFormatter(), JsonFormatter()])
def test_a_line_of_our_log_has_none_not_even_in_a_traceback(formatter):
    stream = io.StringIO()
    handler = RedactedLines(stream)
    handler.setFormatter(formatter)
    try:
        raise ValueError(f"/u/{TOKEN}")
    except ValueError as error:
        found = (type(error), error, error.__traceback__)
    args = (f"/u/{TOKEN}",)
    handler.handle(logging.LogRecord("x", logging.ERROR, "", 0, "at %s", args, found))
    handler.close()
    assert "/u/***" in stream.getvalue()
    assert TOKEN not in stream.getvalue()


def test_a_record_of_another_log_is_changed_before_it_is_written():
    atoms = {"r": f"GET /u/{TOKEN} HTTP/1.1", "s": "200"}
    record = logging.LogRecord(
        "gunicorn.access", logging.INFO, "", 0, '"%(r)s" %(s)s', (atoms,), None
    )
    assert LinkFilter().filter(record)
    assert record.getMessage() == '"GET /u/*** HTTP/1.1" 200'

"""A Django project with django-post_office, for its own environment; never imported by the others.

python django_project.py create         a database on PostgreSQL; fails if there is none
python django_project.py fill NUMBER    the tables, and so many emails queued
python django_project.py send           what its documentation runs from cron, with two processes
python django_project.py drop           the database again

All of it is told by the environment: SINK_PORT, DATABASE (a name on PostgreSQL, or a file of SQLite
if it has a slash), MESSAGE (a JSON file).
"""

import json
import os
import sys
from pathlib import Path

import django
from django.conf import settings
from django.core.management import call_command

PROCESSES = 2
# the fastest of those tried on two cores
BATCH_SIZE = 5000
THREADS = 2
FILLED_AT_ONCE = 500
DATABASE = os.environ["DATABASE"]
ON_SQLITE = "/" in DATABASE
POSTGRESQL = {
    "host": os.environ.get("PGHOST", "127.0.0.1"),
    "port": os.environ.get("PGPORT", "5432"),
    "user": os.environ.get("PGUSER", "postgres"),
}


def configure() -> None:
    """What a settings.py would hold."""
    place = (
        {"ENGINE": "django.db.backends.sqlite3", "OPTIONS": {"timeout": 30}}
        if ON_SQLITE
        else {"ENGINE": "django.db.backends.postgresql"}
        | {name.upper(): value for name, value in POSTGRESQL.items()}
    )
    settings.configure(
        INSTALLED_APPS=["django.contrib.contenttypes", "post_office"],
        DATABASES={"default": {**place, "NAME": DATABASE}},
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        EMAIL_BACKEND="django.core.mail.backends.smtp.EmailBackend",
        EMAIL_HOST="127.0.0.1",
        EMAIL_PORT=int(os.environ["SINK_PORT"]),
        POST_OFFICE={
            "BATCH_SIZE": BATCH_SIZE,
            "THREADS_PER_PROCESS": THREADS,
            "LOG_LEVEL": 1,  # failures only: one insert less for each email
        },
        TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates"}],
        USE_TZ=True,
    )
    django.setup()


def administer(statement: str) -> None:
    """Run *statement*, with the database's name in it, beside all databases."""
    import psycopg
    from psycopg import sql

    with psycopg.connect(dbname="postgres", autocommit=True, connect_timeout=5, **POSTGRESQL) as it:
        it.execute(sql.SQL(statement).format(sql.Identifier(DATABASE)))


def fill(number: int) -> None:
    """Queue *number* emails, as an application would."""
    from django.db import connection
    from post_office import mail

    call_command("migrate", verbosity=0)
    written = json.loads(Path(os.environ["MESSAGE"]).read_text("utf-8"))
    for first in range(0, number, FILLED_AT_ONCE):
        mail.send_many(
            [
                {
                    "sender": written["from"],
                    "recipients": [written["to"]],
                    "subject": f"Hello {n}",
                    "message": written["text"],
                    "html_message": written["html"],
                }
                for n in range(first, min(first + FILLED_AT_ONCE, number))
            ]
        )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def send() -> None:
    """Until nothing is queued."""
    lock = Path(os.environ["MESSAGE"]).with_name("post_office")
    call_command("send_queued_mail", processes=PROCESSES, lockfile=str(lock), log_level=1)


def main() -> None:
    """One of the commands above."""
    command, *rest = sys.argv[1:]
    if command == "create":
        administer("CREATE DATABASE {}")
    elif command == "drop":
        administer("DROP DATABASE IF EXISTS {} WITH (FORCE)")
    else:
        configure()
        if command == "fill":
            fill(int(rest[0]))
        else:
            send()


if __name__ == "__main__":
    main()

"""A Celery application with a task for each email, for its own environment; never imported here.

python celery_project.py NUMBER         publish so many
celery -A celery_project worker         send them

All of it is told by the environment: SINK_PORT, BROKER, MESSAGE (a JSON file).
"""

import json
import os
import smtplib
import sys
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from pathlib import Path

from celery import Celery

PORT = int(os.environ["SINK_PORT"])

app = Celery("celery_project", broker=os.environ["BROKER"])
app.conf.update(
    task_ignore_result=True,
    worker_prefetch_multiplier=16,  # 4, 16 and 64 do not differ by more than the noise
    broker_connection_retry_on_startup=True,
)


@app.task
def send_email(number: int, *, sender: str, to: str, text: str, html: str) -> None:
    """What most code does: build it, connect, send."""
    message = EmailMessage()
    message["Subject"] = f"Hello {number}"
    message["From"] = sender
    message["To"] = to
    message["Date"] = formatdate()
    message["Message-ID"] = make_msgid(domain="example.com")
    message.set_content(text)
    message.add_alternative(html, subtype="html")
    with smtplib.SMTP("127.0.0.1", PORT) as server:
        server.send_message(message)


def publish(number: int) -> None:
    """Put *number* tasks into the broker, under the name by which the worker knows them."""
    written = json.loads(Path(os.environ["MESSAGE"]).read_text("utf-8"))
    content = {name: written[name] for name in ("to", "text", "html")}
    for n in range(number):
        app.send_task(
            "celery_project.send_email", args=[n], kwargs={"sender": written["from"], **content}
        )


if __name__ == "__main__":
    publish(int(sys.argv[1]))

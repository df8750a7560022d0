"""`celery -A tests.faults.twice worker`: takes its tasks from where each of them is put twice."""

import os

from entrypoints.celery_app import make_app

app = make_app()
app.conf.broker_read_url = os.environ["TAKE_FROM"]

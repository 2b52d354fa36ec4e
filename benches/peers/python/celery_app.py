"""The tasks of Celery's workers, and what its callers call."""

import os

from celery import Celery

URL = os.environ["PEERS_REDIS"]

app = Celery("celery_app", broker=URL, backend=URL)
app.conf.update(worker_hijack_root_logger=False, broker_connection_retry_on_startup=True)


@app.task
def noop(text):
    """Carries the payload and returns the result."""
    return "result-ok"

"""A task for celery that takes as long as a test lets it."""

import os

import redis
from celery import Celery

app = Celery("tasks", broker=os.environ["REDIS"], backend=os.environ["REDIS"])


@app.task
def hold(key):
    """Says that it has begun, and returns what somebody pushes to `key`."""
    print(f"waiting for {key}", flush=True)
    return redis.Redis.from_url(os.environ["REDIS"], socket_timeout=None).blpop(key)[1].decode()

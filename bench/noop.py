"""A task that only says that it ran: what Celery alone costs. A worker imports it by `-I bench.noop`."""

from celery import shared_task

from hedgehog_project.redis import connect

DONE = "bench:done"


@shared_task
def noop() -> None:
    connect().lpush(DONE, 1)

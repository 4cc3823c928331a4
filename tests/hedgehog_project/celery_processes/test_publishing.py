"""Tasks that are queued without Celery's own publisher: what is in Redis is what that would write."""

import base64
import json
from typing import Any

import pytest
import redis
from celery import Celery
from kombu.exceptions import OperationalError
from pytest_django import Settings

from hedgehog_project import publishing
from hedgehog_project.celery import app
from hedgehog_project.ports import free_port
from hedgehog_project.publishing import together
from hedgehog_project.queues import ENQUEUED_AT, ENTRIES, EXITS, OF_USE_S, REPORTS

KWARGS = {"trader": 7, "symbol": "ETHUSDT", "why": "müde 'test' \u2028", "is_urgent": True, "none": None}
# What differs from one task to the next, or says whom an answer is for: nobody waits for one.
OF_ONE = ("id", "root_id", "correlation_id", "delivery_tag", "reply_to", ENQUEUED_AT)


def taken(client: "redis.Redis", queue: str) -> list[dict[str, Any]]:
    """What waits in a queue, in the order in which workers take it."""
    messages = [json.loads(each) for each in reversed(client.lrange(queue, 0, -1))]
    for message in messages:
        message["body"] = json.loads(base64.b64decode(message["body"]))
    return messages


def traders(client: "redis.Redis", queue: str) -> list[int]:
    return [message["body"][1]["trader"] for message in taken(client, queue)]


def send(trader: int, name: str = "trading.tasks.nudge", queue: str | None = None) -> None:
    app.send_task(name, kwargs={"trader": trader}, retry=False, queue=queue)


@pytest.mark.parametrize(
    ("name", "queue", "goes_to"),
    [
        ("trading.tasks.nudge", None, ENTRIES),
        ("trading.tasks.nudge", EXITS, EXITS),
        ("trading.tasks.report", None, REPORTS),
        ("somebody.elses", None, ENTRIES),
    ],
)
def test_a_message_is_the_one_that_celery_would_write(
    redis_client: "redis.Redis", name: str, queue: str | None, goes_to: str
) -> None:
    options: dict[str, Any] = {
        "kwargs": KWARGS,
        "headers": {OF_USE_S: 5},
        "queue": queue,
        "retry": False,
        "argsrepr": "()",
        "kwargsrepr": repr(KWARGS),
    }
    result = app.send_task(name, **options)
    Celery.send_task(app, name, **options)
    ours, celerys = taken(redis_client, goes_to)
    assert ours["headers"]["id"] == ours["headers"]["root_id"] == ours["properties"]["correlation_id"] == result.id
    assert abs(ours["headers"][ENQUEUED_AT] - celerys["headers"][ENQUEUED_AT]) < 5
    for message in (ours, celerys):
        for part in ("headers", "properties"):
            for key in OF_ONE:
                message[part].pop(key, None)
        # Celery writes them here as well, and reads them in the headers.
        for key in ("argsrepr", "kwargsrepr"):
            message["properties"].pop(key, None)
    assert ours == celerys


def test_what_is_queued_together_is_written_at_the_end_and_in_its_order(redis_client: "redis.Redis") -> None:
    with together():
        for trader in (1, 2):
            send(trader)
        with together():
            send(3, queue=EXITS)
        send(4)
        assert not redis_client.exists(ENTRIES, EXITS)
    assert (traders(redis_client, ENTRIES), traders(redis_client, EXITS)) == ([1, 2, 4], [3])
    send(5)
    assert traders(redis_client, ENTRIES) == [1, 2, 4, 5]


def test_what_was_queued_before_an_error_is_written(redis_client: "redis.Redis") -> None:
    with pytest.raises(ZeroDivisionError), together():
        send(1)
        raise ZeroDivisionError
    assert traders(redis_client, ENTRIES) == [1]


def test_what_is_not_plain_goes_celerys_way(redis_client: "redis.Redis") -> None:
    app.send_task("trading.tasks.nudge", args=(7,), retry=False)
    app.send_task("trading.tasks.nudge", countdown=60, retry=False)
    positional, later = taken(redis_client, ENTRIES)
    assert positional["body"][0] == [7]
    assert later["headers"]["eta"]


def test_without_redis_whoever_queues_is_told_so(settings: Settings) -> None:
    settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/0"
    publishing._client.cache_clear()
    try:
        with pytest.raises(OperationalError):
            send(1)
        with pytest.raises(OperationalError), together():
            send(1)
    finally:
        publishing._client.cache_clear()

"""A Redis that answers and takes no writes: what is said of it, how often, and that it is known for what it is."""

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
import redis
from celery.beat import SchedulingError
from kombu.exceptions import OperationalError

from hedgehog_project import quiet, redis_health
from hedgehog_project.quiet import OnceWhileRedisFails
from hedgehog_project.venues import rate_limits
from tests.support.environment import start_redis
from tests.support.machine.disk import fill, tiny_disk
from tests.support.refusing import FULL, full, read_only

Refuses = Callable[["redis.Redis"], AbstractContextManager[None]]


@pytest.mark.parametrize(("refuses", "why"), [(full, FULL), (read_only, "it is a read-only replica")])
def test_refusal_is_told_with_the_memory(redis_client: "redis.Redis", refuses: Refuses, why: str) -> None:
    with refuses(redis_client):
        found = redis_health.look(redis_client)
    assert (found.is_well, found.away, found.refuses) == (False, "", why)
    assert found.used > 100_000
    assert found.text.startswith(f"Redis refuses writes: {why} (")
    assert found.memory in found.text
    found = redis_health.look(redis_client)
    assert (found.is_well, found.text) == (True, "")


def test_disk_that_is_full_is_told_from_a_memory_that_is(tmp_path: Path) -> None:
    """Redis refuses all writes after one that it could not save: MISCONF."""
    folder = tmp_path / "redis"
    with tiny_disk(folder, "256k"):
        server, address = start_redis(folder)
        client = redis.Redis.from_url(address)
        try:
            client.config_set("appendonly", "yes")
            fill(folder)
            for number in range(200):
                try:
                    client.set(f"key-{number}", "x" * 4000)
                except redis.RedisError:
                    break
            found = redis_health.look(client)
        finally:
            server.kill()
            server.wait()
    assert (
        found.refuses
        == "it cannot write its data to the disk: Errors writing to the AOF file: No space left on device"
    )


def test_redis_whose_user_may_not_ask_for_its_memory_is_well(redis_client: "redis.Redis") -> None:
    redis_client.acl_setuser("narrow", enabled=True, nopass=True, keys=["*"], commands=["+@all", "-info"])
    try:
        found = redis_health.look(redis.Redis(**{**_address(redis_client), "username": "narrow", "password": "x"}))
    finally:
        redis_client.acl_deluser("narrow")
    assert (found.is_well, found.memory) == (True, "memory unknown")


def _address(client: "redis.Redis") -> dict[str, Any]:
    options = client.connection_pool.connection_kwargs
    return {name: options[name] for name in ("host", "port")}


def test_redis_that_is_not_there_is_away() -> None:
    found = redis_health.look(redis.Redis.from_url("redis://127.0.0.1:1/0"))
    assert (found.away, found.text) == ("connection refused", "Redis is down: connection refused")


def test_budget_goes_on_by_itself_and_says_why_once(
    redis_client: "redis.Redis", caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate_limits.steps._redis, "_is_away", False)
    own = rate_limits.RateLimits("a.host", "a key")
    for refuses in (full, read_only):
        monkeypatch.setattr(rate_limits.steps._redis, "_not_before", 0.0)
        with refuses(redis_client):
            for _ in range(3):
                reservation = own.reserve(1, is_exit=True, places_order=True)
                own.settle(reservation, {}, 1, 1)
                assert own.why_wait(is_exit=True) is None
    said = [record.getMessage() for record in caplog.records if "its own requests" in record.getMessage()]
    assert said == [f"Redis refuses writes: {FULL}; each process counts its own requests"]


# --- the logs -------------------------------------------------------------------------------------------
@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[logging.Logger, list[str]]]:
    lines: list[str] = []
    log, handler = logging.getLogger("a.test"), logging.StreamHandler()
    handler.addFilter(OnceWhileRedisFails())
    monkeypatch.setattr(handler, "emit", lambda record: lines.append(handler.format(record)))
    log.addHandler(handler)
    yield log, lines
    log.removeHandler(handler)


def test_what_redis_does_to_everybody_is_said_once_a_minute_in_one_line(
    said: tuple[logging.Logger, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    log, lines = said
    error = redis.OutOfMemoryError("command not allowed")
    for trader in range(10):
        log.warning("trigger not copied: trader=%s error=%s", trader, error)
    assert lines == ["trigger not copied: trader=0 error=command not allowed"]
    monkeypatch.setattr(quiet, "AGAIN_S", 0.0)
    log.warning("another kind: %s", redis.ConnectionError("away"))
    log.warning("another kind: %s", redis.ConnectionError("away"))
    assert lines[1:] == ["another kind: away", "another kind: away"]


def test_traceback_of_a_library_becomes_a_line_whatever_it_was_wrapped_in(
    said: tuple[logging.Logger, list[str]],
) -> None:
    log, lines = said
    for error in (redis.ReadOnlyError("read only"), OperationalError("no broker")):
        try:
            raise error
        except (redis.RedisError, OperationalError):
            try:
                raise SchedulingError("can't apply")
            except SchedulingError as wrapped:
                log.error("Message Error: %s\n%s", wrapped, ["a stack"], exc_info=True)
    assert lines == ["Message Error: can't apply", "Message Error: can't apply"]


def test_fault_of_ours_keeps_its_traceback(said: tuple[logging.Logger, list[str]]) -> None:
    log, lines = said
    for _ in range(2):
        try:
            try:
                raise redis.ConnectionError("away")
            except redis.RedisError:
                raise KeyError("a fault in the handler")  # noqa: B904
        except KeyError:
            log.exception("a task failed")
    assert [line.splitlines()[0] for line in lines] == ["a task failed", "a task failed"]
    assert all("Traceback" in line for line in lines)

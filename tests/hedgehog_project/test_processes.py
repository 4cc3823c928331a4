"""Who is found alive, and how quickly."""

import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import redis
from pytest_django import Settings

from hedgehog_project.heartbeats import Heart
from hedgehog_project.ports import HOST
from hedgehog_project.processes import NAMES, ProcessState, states
from tests.support.heartbeats import plant
from tests.support.refusing import FULL, full


def found(timeout_s: float = 0.8) -> dict[str, ProcessState]:
    return {state.name: state for state in states(timeout_s)}


@pytest.fixture
def web(settings: Settings) -> Iterator[ThreadingHTTPServer]:
    """Something on WEB_PORT that answers /healthz with 200 and all else with 401."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/healthz" else 401)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer((HOST, settings.WEB_PORT), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_with_nothing_there_all_are_down_and_nothing_raises(settings: Settings) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    began = time.monotonic()
    states_now = states()
    assert time.monotonic() - began < 1
    assert [state.name for state in states_now] == list(NAMES)
    assert not any(state.alive for state in states_now)
    assert all(state.note for state in states_now)


def test_without_flower_nobody_misses_it(settings: Settings) -> None:
    settings.FLOWER = False
    assert [state.name for state in states()] == [name for name in NAMES if name != "flower"]


def test_redis_is_alive_when_it_answers_and_its_password_is_not_shown(redis_client: "redis.Redis") -> None:
    state = found()["redis"]
    assert state.alive
    assert state.age_s == 0
    assert "tests-only" not in state.note


def test_a_heartbeat_shows_age_and_facts(redis_client: "redis.Redis") -> None:
    Heart(redis_client, "streamer").beat(frames_per_s=40)
    state = found()["streamer"]
    assert state.alive
    assert state.age_s is not None
    assert state.age_s < 5
    assert state.note == "frames_per_s 40"
    assert not found()["dispatcher"].alive


def test_a_process_that_fell_silent_is_down_with_its_age(redis_client: "redis.Redis") -> None:
    plant(redis_client, "worker", age_s=60)
    state = found()["worker"]
    assert not state.alive
    assert state.note == "no heartbeat; was process 7 on here"
    assert state.age_s == pytest.approx(60, abs=2)


def test_a_process_is_alive_where_any_host_has_one_and_all_are_shown(redis_client: "redis.Redis") -> None:
    plant(redis_client, "worker", "one", age_s=60)
    plant(redis_client, "worker", "two", 8, done=5)
    assert (found()["worker"].alive, found()["worker"].note) == (True, "done 5")
    plant(redis_client, "worker", "three", 9)
    state = found()["worker"]
    assert state.alive
    assert state.note == "2 of them; 9 on three; 8 on two: done 5"


def test_a_worker_that_serves_all_queues_is_both(redis_client: "redis.Redis") -> None:
    plant(redis_client, "worker", queues="celery")
    assert (found()["worker"].alive, found()["worker_exits"].alive) == (True, False)
    plant(redis_client, "worker", queues="celery exits leader")
    assert (found()["worker"].alive, found()["worker_exits"].alive) == (True, True)


def test_nobody_is_down_because_a_full_redis_takes_no_heartbeat(redis_client: "redis.Redis") -> None:
    plant(redis_client, "worker", age_s=60)
    Heart(redis_client, "streamer").beat()
    with full(redis_client):
        now = found()
    assert (now["redis"].alive, now["redis"].note.partition(" (")[0]) == (False, f"refuses writes: {FULL}")
    assert now["redis"].trouble.startswith(f"Redis refuses writes: {FULL} (")
    for name in ("worker", "beat"):
        assert (now[name].alive, now[name].note) == (None, "unknown: Redis refuses writes")
    assert now["streamer"].alive, "its last heartbeat is fresh"
    assert found()["worker"].alive is False
    assert "MB used" in found()["redis"].note


def test_a_web_server_is_alive_when_it_answers_as_it_should(
    redis_client: "redis.Redis", web: ThreadingHTTPServer, settings: Settings
) -> None:
    assert found()["web"].alive
    settings.FLOWER_PORT = settings.WEB_PORT
    assert found()["flower"].alive, "Flower answers 401: it asks for a login"
    settings.MOCK_PORT = settings.WEB_PORT
    state = found()["mock_exchange"]
    assert not state.alive
    assert "HTTP 401" in state.note


def test_a_server_that_accepts_and_never_answers_costs_no_more_than_the_time_out(
    redis_client: "redis.Redis", settings: Settings
) -> None:
    with socket.create_server((HOST, 0)) as mute:
        settings.WEB_PORT = settings.FLOWER_PORT = mute.getsockname()[1]
        settings.REDIS_URL = f"redis://{HOST}:{settings.WEB_PORT}/0"
        began = time.monotonic()
        now = found(timeout_s=0.3)
        assert time.monotonic() - began < 1
        assert not now["web"].alive
        assert now["redis"].note == "does not answer in time"

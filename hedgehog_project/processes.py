"""The processes that make up the service, and how each is found alive."""

import http.client
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TookTooLong
from dataclasses import dataclass

import redis
from django.conf import settings

from hedgehog_project.addresses import shown
from hedgehog_project.heartbeats import SILENT_S, Beat, beats
from hedgehog_project.ports import HOST

HEARTBEATS = ("streamer", "dispatcher", "worker", "beat")
NAMES = ("redis", "mock_exchange", "streamer", "dispatcher", "worker", "beat", "web", "flower")


@dataclass(frozen=True)
class ProcessState:
    """One process as found just now."""

    name: str
    alive: bool
    age_s: float | None  # since its last sign of life; None where there was none
    note: str  # for people: why it counts as down, or where it runs


def states(timeout_s: float = 0.8) -> list[ProcessState]:
    """All processes in the order of NAMES, probed side by side. Never raises for one that is missing."""
    probes: dict[str, Callable[[], dict[str, ProcessState]]] = {
        "redis": lambda: _redis_and_heartbeats(timeout_s),
        "mock_exchange": lambda: _http("mock_exchange", settings.MOCK_PORT, "/api/v3/ping", timeout_s, 200),
        "web": lambda: _http("web", settings.WEB_PORT, "/healthz", timeout_s, 200),
        # Flower asks for a login, and that is an answer.
        "flower": lambda: _http("flower", settings.FLOWER_PORT, "/healthcheck", timeout_s, 200, 401),
    }
    found: dict[str, ProcessState] = {}
    pool = ThreadPoolExecutor(len(probes), thread_name_prefix="probe")
    pending = {name: pool.submit(probe) for name, probe in probes.items()}
    for future in pending.values():
        try:
            found |= future.result(timeout_s * 2)
        except TookTooLong:
            continue  # Answers in drips: its sockets' own time-outs end the thread later.
    pool.shutdown(wait=False)
    return [found.get(name) or ProcessState(name, False, None, "does not answer") for name in NAMES]


def _redis_and_heartbeats(timeout_s: float) -> dict[str, ProcessState]:
    client = redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=timeout_s, socket_connect_timeout=timeout_s, retry=None
    )
    try:
        client.ping()
        known = beats(client)
    except redis.RedisError as error:
        down = ProcessState("redis", False, None, _words(error))
        return {"redis": down} | {
            name: ProcessState(name, False, None, "unknown: Redis does not answer") for name in HEARTBEATS
        }
    finally:
        client.close()
    answer = {"redis": ProcessState("redis", True, 0.0, shown(settings.REDIS_URL))}
    return answer | {name: _heartbeat(name, known.get(name)) for name in HEARTBEATS}


def _heartbeat(name: str, beat: Beat | None) -> ProcessState:
    if beat is None:
        return ProcessState(name, False, None, "has not started yet")
    age_s = beat.age_s()
    if age_s > SILENT_S:
        return ProcessState(name, False, age_s, f"silent; was process {beat.pid} on {beat.host}")
    facts = ", ".join(f"{key} {value}" for key, value in beat.facts.items())
    return ProcessState(name, True, age_s, facts or f"process {beat.pid} on {beat.host}")


def _http(name: str, port: int, path: str, timeout_s: float, *expected: int) -> dict[str, ProcessState]:
    connection = http.client.HTTPConnection(HOST, port, timeout=timeout_s)
    try:
        connection.request("GET", path, headers={"Connection": "close"})
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return {name: ProcessState(name, False, None, _words(error))}
    finally:
        connection.close()
    if status not in expected:
        return {name: ProcessState(name, False, None, f"port {port} answers with HTTP {status}")}
    return {name: ProcessState(name, True, 0.0, f"port {port}")}


def _words(error: Exception) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "nothing listens there"
    if isinstance(error, redis.AuthenticationError):
        return "refuses the password of REDIS_URL"
    if isinstance(error, TimeoutError | redis.TimeoutError):
        return "does not answer in time"
    return str(error) or type(error).__name__

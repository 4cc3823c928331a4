"""The processes that make up the service, and how each is found alive."""

import http.client
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TookTooLong
from dataclasses import dataclass

import redis
from django.conf import settings

from hedgehog_project import queues, redis_health
from hedgehog_project.addresses import shown
from hedgehog_project.heartbeats import Beat, beats
from hedgehog_project.ports import HOST
from hedgehog_project.redis_health import Health

FLOWER = "flower"
HEARTBEATS = ("streamer", "dispatcher", "worker", "worker_exits", "beat", "standby")
NAMES = ("redis", "mock_exchange", *HEARTBEATS, "web", FLOWER)
# By which of its queues each of the workers is known. One that serves all of them is either.
_SERVES = {"worker": queues.ENTRIES, "worker_exits": queues.LEADER}


@dataclass(frozen=True)
class ProcessState:
    """One process as found just now; of those that run on several hosts all of a name together."""

    name: str
    alive: bool | None  # one of them at least; None: nobody can tell, for its sign of life could not be written
    age_s: float | None  # since its last sign of life; None where there was none
    note: str  # for people: why it counts as down, or where it runs
    trouble: str = ""  # what is wrong with it though it answers, in a sentence without its end


def states(timeout_s: float = 0.8) -> list[ProcessState]:
    """All processes in the order of NAMES, probed side by side. Never raises for one that is missing.

    What has a port is looked for on this host; on one of `make host` nothing of that runs. FLOWER=0: no Flower.
    """
    probes: dict[str, Callable[[], dict[str, ProcessState]]] = {
        "redis": lambda: _redis_and_heartbeats(timeout_s),
        "mock_exchange": lambda: _http("mock_exchange", settings.MOCK_PORT, "/api/v3/ping", timeout_s, 200),
        "web": lambda: _http("web", settings.WEB_PORT, "/healthz", timeout_s, 200),
        # Flower asks for a login, and that is an answer.
        FLOWER: lambda: _http("flower", settings.FLOWER_PORT, "/healthcheck", timeout_s, 200, 401),
    }
    names: tuple[str, ...] = NAMES
    if settings.HEDGEHOG_PART == "host":
        probes, names = {"redis": probes["redis"]}, ("redis", *HEARTBEATS)
    elif not settings.FLOWER:
        del probes[FLOWER]
        names = tuple(name for name in NAMES if name != FLOWER)
    found: dict[str, ProcessState] = {}
    pool = ThreadPoolExecutor(len(probes), thread_name_prefix="probe")
    pending = {name: pool.submit(probe) for name, probe in probes.items()}
    for future in pending.values():
        try:
            found |= future.result(timeout_s * 2)
        except TookTooLong:
            continue  # Answers in drips: its sockets' own time-outs end the thread later.
    pool.shutdown(wait=False)
    return [found.get(name) or ProcessState(name, False, None, "does not answer") for name in names]


def _redis_and_heartbeats(timeout_s: float) -> dict[str, ProcessState]:
    client = redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=timeout_s, socket_connect_timeout=timeout_s, retry=None
    )
    health = redis_health.look(client)
    try:
        known = [] if health.away else beats(client)
    except redis.RedisError as error:
        health = Health(away=redis_health.away(error))
    finally:
        client.close()
    if health.away:
        down = ProcessState("redis", False, None, health.away)
        unknown = "unknown: Redis does not answer"
        return {"redis": down} | {name: ProcessState(name, None, None, unknown) for name in HEARTBEATS}
    if health.refuses:
        answer = ProcessState("redis", False, 0.0, f"refuses writes: {health.refuses} ({health.memory})", health.text)
    else:
        answer = ProcessState("redis", True, 0.0, f"{shown(settings.REDIS_URL)}, {health.memory}")
    found = {name: [beat for beat in known if _is(beat, name)] for name in HEARTBEATS}
    return {"redis": answer} | {name: _heartbeat(name, beats_of, health) for name, beats_of in found.items()}


def _is(beat: Beat, name: str) -> bool:
    return beat.name == name or _SERVES.get(name) in str(beat.facts.get("queues", "")).split()


def _heartbeat(name: str, known: list[Beat], health: Health) -> ProcessState:
    newest = min(known, key=lambda beat: beat.age_s, default=None)
    if health.refuses and (newest is None or not newest.is_fresh):
        return ProcessState(name, None, newest.age_s if newest else None, "unknown: Redis refuses writes")
    if newest is None:
        return ProcessState(name, False, None, "not started yet")
    if not newest.is_fresh:
        return ProcessState(name, False, newest.age_s, f"no heartbeat; was process {newest.pid} on {newest.host}")
    fresh = [beat for beat in known if beat.is_fresh]
    if len(fresh) == 1:
        return ProcessState(name, True, newest.age_s, _facts(newest) or f"process {newest.pid} on {newest.host}")
    where = "; ".join(f"{beat.pid} on {beat.host}: {_facts(beat)}".removesuffix(": ") for beat in fresh)
    return ProcessState(name, True, newest.age_s, f"{len(fresh)} of them; {where}")


def _facts(beat: Beat) -> str:
    return ", ".join(f"{key} {value}" for key, value in beat.facts.items())


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
        return "connection refused"
    if isinstance(error, TimeoutError):
        return "does not answer in time"
    return str(error) or type(error).__name__

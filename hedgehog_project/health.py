"""Whether the service gets on, and not only whether its processes live: what is amiss, in words for people.

A process may beat and do nothing: all threads of a worker may wait for a lock, a queue may grow, the leader may never
come to its end. What a process that is down means is told elsewhere; see console/diagnosis.py.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import redis
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from django.db.migrations.executor import MigrationExecutor

from hedgehog_project import progress, queues, redis_health
from hedgehog_project.heartbeats import Beat, beats, missing
from hedgehog_project.hiding import hidden
from hedgehog_project.outside import one_line
from hedgehog_project.queues import LEADER, Queue

# The leader runs every second, and a task waits for milliseconds: whatever is this late does not get on.
LATE_S = 15.0
# So long it is amiss that a process has restarted itself: time to read it.
RESTARTED_S = 300.0
# That no migration is missing stays true for a while.
_MIGRATED_FOR_S = 60.0


@dataclass(frozen=True)
class Finding:
    """Something that is amiss. `about` is for programs: database, migrations, redis, leader, queue, worker, host."""

    about: str
    text: str


@dataclass(frozen=True)
class Progress:
    """What Redis tells of the processes of all hosts."""

    beats: Sequence[Beat]
    queues: Sequence[Queue]
    led_s: float | None  # since the leader last came to its end; None: not since Redis was emptied
    refuses: str = ""  # why Redis takes no writes; nothing that it tells of the others is new then


def look(timeout_s: float = 0.8) -> Progress | None:
    """None where Redis does not answer."""
    client = redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=timeout_s, socket_connect_timeout=timeout_s, retry=None
    )
    try:
        seconds, micros = client.time()
        return Progress(
            beats(client),
            queues.look(client, seconds + micros / 1e6),
            progress.age_s(client, progress.LED),
            redis_health.refuses(client),
        )
    except redis.RedisError:
        return None
    finally:
        client.close()


def findings(seen: Progress | None) -> list[Finding]:
    """What is amiss by what Redis tells."""
    if seen is None:
        return [Finding("redis", "Redis is down: no events and no tasks are delivered.")]
    if seen.refuses:
        return [Finding("redis", f"Redis refuses writes: {seen.refuses}.")]
    return [*_silent(seen.beats), *_leader(seen), *_queues(seen.queues), *_stuck(seen.beats), *_restarted(seen.beats)]


def no_database(error: Exception) -> Finding:
    """For whoever asks without a login: the driver's words, and nothing of what must not show."""
    return Finding("database", f"The database does not answer: {hidden(one_line(error))}")


def of_database() -> list[Finding]:
    """What is amiss with the database."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        missing_ones = _missing_migrations()
    except (DatabaseError, InterfaceError) as error:
        connection.close()
        return [no_database(error)]
    if not missing_ones:
        return []
    what = "1 migration is" if missing_ones == 1 else f"{missing_ones} migrations are"
    text = f"{what} missing: run `manage.py migrate` or `make run`."
    return [Finding("migrations", text)]


_migrated_until = 0.0


def _missing_migrations() -> int:
    global _migrated_until
    if time.monotonic() < _migrated_until:
        return 0
    executor = MigrationExecutor(connection)
    count = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    _migrated_until = 0.0 if count else time.monotonic() + _MIGRATED_FOR_S
    return count


def _silent(known: Sequence[Beat]) -> list[Finding]:
    """Processes that were there and are gone; where all of a host are, the host."""
    found = []
    silent = missing(known)
    lively = {beat.host for beat in known if beat.is_fresh}
    for host in sorted({beat.host for beat in silent} - lively):
        gone = [beat for beat in silent if beat.host == host]
        names = ", ".join(sorted({beat.name for beat in gone}))
        age_s = min(beat.age_s for beat in gone)
        text = f"No heartbeat from the host {host} for {age_s:.0f} s: {names} ran there."
        found.append(Finding("host", text))
    for beat in silent:
        if beat.host in lively:
            text = f"No heartbeat from {beat.name} on {beat.host} (process {beat.pid}) for {beat.age_s:.0f} s."
            found.append(Finding("host", text))
    return found


def _leader(seen: Progress) -> list[Finding]:
    if not any(LEADER in _served(beat) for beat in seen.beats if beat.is_fresh):
        return [
            Finding(
                "leader", "No worker serves the queue leader: traders are not started and orders are not queried."
            )
        ]
    if seen.led_s is None:
        return [Finding("leader", "The leader has not finished a run yet.")]
    if seen.led_s <= LATE_S:
        return []
    text = f"The leader last finished {seen.led_s:.0f} s ago: missing traders and unconfirmed orders wait for it."
    return [Finding("leader", text)]


def _queues(waiting: Sequence[Queue]) -> list[Finding]:
    return [
        Finding(
            "queue",
            f"The workers of the queue {each.name} are behind: {each.length} task"
            f"{'' if each.length == 1 else 's'} in the queue, the oldest for {each.oldest_s:.0f} s.",
        )
        for each in waiting
        if each.oldest_s > LATE_S
    ]


def _stuck(known: Sequence[Beat]) -> list[Finding]:
    return [
        Finding(
            "worker", f"{beat.name} on {beat.host} (process {beat.pid}) makes no progress: {beat.facts['stuck']}."
        )
        for beat in known
        if beat.is_fresh and beat.facts.get("stuck")
    ]


def _restarted(known: Sequence[Beat]) -> list[Finding]:
    return [
        Finding(
            "worker",
            f"{beat.name} on {beat.host} (process {beat.pid}) has restarted {beat.facts['restarted']}.",
        )
        for beat in known
        if beat.is_fresh and beat.facts.get("restarted") and beat.up_s < RESTARTED_S
    ]


def _served(beat: Beat) -> list[str]:
    return str(beat.facts.get("queues", "")).split()

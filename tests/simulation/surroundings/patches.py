"""What a world puts in the place of: the clock, random ids, Redis, Celery and the exchange's client."""

import secrets
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from random import Random
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

from celery import current_app
from django.apps import apps
from django.db import connection
from django.utils import timezone

import hedgehog_project.redis
from hedgehog_project import halt_request, progress, queues, redis_health, shared_clock
from streamer import topics
from tests.simulation.checks.rows import by
from trading import dispatch, leader, set_clocks
from trading.exchange import client
from trading.identity import runs
from trading.models.symbols import forget_filters
from trading.risk import gate, protections
from trading.traders import looks, valuing
from trading.waking import enqueue, triggers

if TYPE_CHECKING:
    from tests.simulation.surroundings.world import World

_now = timezone.now
_of_world: list["World"] = []


def virtual_now() -> datetime:
    return _of_world[-1].wall_now if _of_world else _now()


def prepare() -> None:
    """Once a process, before its first world: models that were told the clock's function itself ask the world's."""
    for model in apps.get_models():
        for field in model._meta.get_fields():
            if getattr(field, "default", None) is _now:
                field.default = virtual_now  # type: ignore[union-attr]
                field.__dict__.pop("_get_default", None)


class _Ids:
    """In the place of `secrets`."""

    def __init__(self, seed: int) -> None:
        self._dice = Random(seed)
        self.choice = self._dice.choice

    def token_hex(self, size: int) -> str:
        return f"{self._dice.getrandbits(8 * size):0{2 * size}x}"


class NothingToReplaceError(LookupError):
    """The name is gone, so that the stand-in would change nothing: follow the code that was moved or renamed."""


class Patches:
    """What is put in the place of something else, until it is undone. Raises NothingToReplaceError."""

    def __init__(self) -> None:
        self._undo: list[tuple[Any, str, Any]] = []
        # The names that each call has replaced, and where they are.
        self.replaced: list[list[tuple[Any, str]]] = []

    def set(self, where: Any, name: str, value: Any) -> None:
        self._replace([(where, name)], value)

    def everywhere(self, original: Any, value: Any) -> None:
        """Wherever the project's code has it by a name of its own."""
        found = [
            (module, name) for module in our_modules() for name, held in vars(module).items() if held is original
        ]
        if not found:
            raise NothingToReplaceError(f"no module of ours has {original!r}")
        self._replace(found, value)

    def _replace(self, found: list[tuple[Any, str]], value: Any) -> None:
        for where, name in found:
            if not hasattr(where, name):
                raise NothingToReplaceError(f"{getattr(where, '__name__', where)} has no {name}")
            self._undo.append((where, name, getattr(where, name)))
            setattr(where, name, value)
        self.replaced.append(found)

    def undo(self) -> None:
        while self._undo:
            setattr(*self._undo.pop())


def our_modules() -> list[ModuleType]:
    rooms = ("trading", "hedgehog_project", "streamer")
    return [module for name, module in list(sys.modules.items()) if module and name.partition(".")[0] in rooms]


@contextmanager
def surround(world: "World") -> Iterator[None]:
    """Everything that the traders' code reaches for is the world's, until the block ends."""
    patches, wake_ups = Patches(), world.wake_ups
    steady = lambda: world.now.timestamp()  # noqa: E731
    clock = SimpleNamespace(
        time=lambda: world.wall_now.timestamp(),
        monotonic=steady,
        perf_counter=steady,
        time_ns=lambda: world.wall_ms * 1_000_000,
        sleep=world.sleep,
    )
    stand_ins: list[tuple[Any, Any]] = [
        (time, clock),
        (secrets, _Ids(world.seed)),
        (hedgehog_project.redis.connect, lambda: wake_ups),
        (hedgehog_project.redis.take, wake_ups.take),
        (hedgehog_project.redis.give_back, wake_ups.give_back),
        (shared_clock.now, lambda: world.shared_s),
        (runs.uptime_s, lambda: world.now.timestamp()),
        *((getattr(progress, name), getattr(wake_ups, name)) for name in ("note", "forget", "age_s")),
        (client.exchange_at, world.line.at),
        (client.why_wait, world.line.why_wait),
        (client.clock_offset, world.line.clock_offset),
        (queues.note_given_up, wake_ups.note_given_up),
        (dispatch.acknowledge, wake_ups.acknowledge),
        (dispatch.deliveries, wake_ups.deliveries),
        (enqueue.is_behind, wake_ups.is_behind),
        (enqueue.do_exits_wait, wake_ups.is_behind),
        (topics.last_trades, wake_ups.last_trades),
        (topics.last_trade, wake_ups.last_trade),
        (topics.has_gap, wake_ups.has_gap),
        (leader.fill_slots, world.watched(leader.fill_slots)),
        (gate.denial, world.overheard(gate.denial)),
        (gate.last_look, world.delayed(gate.last_look)),
        (looks.think, world.thoughtful(looks.think)),
        *((getattr(triggers, name), getattr(wake_ups, name)) for name in _TRIGGERS),
    ]
    for original, stand_in in stand_ins:
        patches.everywhere(original, stand_in)
    for name in ("pending", "withdraw"):
        patches.set(halt_request, name, getattr(world.people.requests, name))
    patches.set(redis_health, "look", wake_ups.refusing.health)
    patches.set(timezone, "now", virtual_now)
    patches.set(current_app, "send_task", wake_ups.send_task)
    forget_filters()
    protections.forget()
    valuing.forget_unlisted()
    set_clocks.forget()
    enqueue.forget()
    _of_world.append(world)
    try:
        with by(world.wall), connection.execute_wrapper(_point_before(world)):
            yield
    finally:
        _of_world.pop()
        patches.undo()


_TRIGGERS = (
    "set_trigger",
    "set_triggers",
    "seen",
    "overrule",
    "drop",
    "prune",
    "fired_before",
    "fired",
    "fired_now",
    "forget_other_worlds",
    "rebuild",
    "is_built",
)


def _point_before(world: "World") -> Callable[..., Any]:
    def execute(run: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        world.point()
        world.let_another_lead()
        return run(sql, params, many, context)

    return execute

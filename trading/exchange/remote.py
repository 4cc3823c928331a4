"""An exchange for processes without keys, such as the one that serves the admin: a worker asks it for them.

What would place an order is left out: whoever gets as far as Redis must not be able to send one of his own.
"""

import json
import time
import uuid
from collections.abc import Callable
from typing import Any, get_type_hints

import msgspec
import redis
from celery import current_app
from kombu.exceptions import OperationalError

from hedgehog_project.queues import OF_USE_S
from hedgehog_project.redis import connect
from hedgehog_project.venues import Venue
from trading.exchange.errors import (
    ExchangeError,
    KeyRejected,
    NotFound,
    NotSent,
    OutcomeUnknown,
    Refused,
    Scope,
    Throttled,
    Why,
)
from trading.exchange.protocol import Exchange, NewOrder

# A person waits for the page. A worker whose threads are all busy takes a while.
PATIENCE_S = 15
# How long one look into Redis may block: less than its socket's time-out.
LOOK_S = 1
KEPT_S = 60
TASK = "trading.tasks.ask_exchange"

_ERRORS: dict[str, type[ExchangeError]] = {
    each.__name__: each for each in (Refused, KeyRejected, NotFound, Throttled, NotSent, OutcomeUnknown)
}


class RemoteExchange:
    """What traders ask of an exchange, answered by a worker. Its errors are those of the exchange there.

    Where no worker answers, a question was not sent; of a cancel nobody knows.
    """

    def __init__(self, venue: Venue) -> None:
        self._venue = venue

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """Each method of Exchange."""
        if not _is_asked_of_exchanges(name):
            raise AttributeError(name)
        if not _may_be_asked(name):
            raise NotSent("This process has no key and cannot send orders: a worker sends them")
        return lambda *args, **kwargs: self._ask(name, args, kwargs)

    def check(self) -> None:
        """Raises what a worker meets that makes itself ready to call: no key, or one that may withdraw."""
        self._ask("", (), {})

    def _ask(self, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        reply_to = f"exchange:reply:{uuid.uuid4()}"
        asked = {"venue": self._venue, "method": method, "args": args, "kwargs": kwargs, "reply_to": reply_to}
        try:
            current_app.send_task(TASK, kwargs=asked, headers={OF_USE_S: PATIENCE_S}, retry=False)
        except (redis.RedisError, OperationalError):
            raise NotSent("Redis is down, so no worker can be reached that queries the exchange") from None
        # From here on a worker may have asked.
        unknown: type[ExchangeError] = OutcomeUnknown if method == "cancel" else NotSent
        try:
            reply = _wait_for(reply_to)
        except redis.RedisError:
            raise unknown("Redis went down before the worker's answer came") from None
        if reply is None:
            raise unknown(f"No worker answered within {PATIENCE_S} s: check that one is running and not busy")
        told = json.loads(reply)
        if error := told.get("error"):
            raise _as_error(error)
        returns = get_type_hints(getattr(Exchange, method))["return"] if method else None
        return msgspec.json.decode(json.dumps(told["value"]), type=returns)


def serve(
    venue: str, method: str, args: list[Any], kwargs: dict[str, Any], reply_to: str, exchange_at: Callable[..., Any]
) -> None:
    """A worker's part: asks the exchange and replies. Raises redis.RedisError, and whatever is a bug."""
    try:
        exchange = exchange_at(Venue(venue))
        if method and not _may_be_asked(method):
            raise NotSent(f"{method} cannot be requested by other processes")
        value = getattr(exchange, method)(*args, **kwargs) if method else None
        told: dict[str, Any] = {"value": msgspec.json.decode(msgspec.json.encode(value))}
    except ExchangeError as error:
        told = {"error": _as_dict(error)}
    client = connect()
    with client.pipeline() as pipeline:
        pipeline.rpush(reply_to, json.dumps(told))
        pipeline.expire(reply_to, KEPT_S)
        pipeline.execute()


def _is_asked_of_exchanges(method: str) -> bool:
    return method in vars(Exchange) and not method.startswith("_")


def _may_be_asked(method: str) -> bool:
    """Whether it is a method of Exchange that places nothing."""
    hints = get_type_hints(getattr(Exchange, method)) if _is_asked_of_exchanges(method) else {"": NewOrder}
    return NewOrder not in hints.values()


def _wait_for(reply_to: str) -> bytes | None:
    client = connect()
    give_up_at = time.monotonic() + PATIENCE_S
    while time.monotonic() < give_up_at:
        found: Any = client.blpop([reply_to], timeout=LOOK_S)
        if found:
            return bytes(found[1])
    return None


def _as_dict(error: ExchangeError) -> dict[str, Any]:
    kind = next(each for each in type(error).__mro__ if each.__name__ in _ERRORS)
    more = {name: getattr(error, name) for name in ("code", "why", "wait_s", "scope") if hasattr(error, name)}
    return {"kind": kind.__name__, "text": str(error), **more}


def _as_error(told: dict[str, Any]) -> ExchangeError:
    kind = _ERRORS[told["kind"]]
    if issubclass(kind, Refused):
        return kind(told["text"], told["code"], Why(told["why"]))
    if issubclass(kind, Throttled):
        return kind(told["text"], told["wait_s"], Scope(told["scope"]))
    return kind(told["text"])

"""The market streams: /ws and /stream, who is subscribed to what, and trades sent to them in batches."""

import asyncio
import json
import re
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Any

import msgspec
from aiohttp import WSCloseCode, web

from binance_mock.engine.errors import Refused
from binance_mock.engine.orders import Changes, PublicTrade
from binance_mock.faults.faults import Occasion
from binance_mock.faults.kinds import Hook
from binance_mock.protocol import market_events as events
from binance_mock.protocol import time_units
from binance_mock.protocol.book_streams import BookStreams
from binance_mock.protocol.clock_streams import ClockStreams
from binance_mock.server.connection import Connection, is_request_id, text_frame
from binance_mock.server.faults.frames import Broken, Passing
from binance_mock.server.faults.schedule import Faults
from binance_mock.server.handshake import wants_micro
from binance_mock.state.context import Context
from hedgehog_project.outside import UNREADABLE, Unreadable, read_json

MESSAGES_PER_S = 5
STREAMS_PER_CONNECTION = 1024
_TICK_S = 0.1
_TICKS_A_SECOND = 10
_METHOD = re.compile(r'"method"\s*:\s*("(?:[^"\\]|\\.)*"|[^,}\s]*)')
_METHODS = ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY")
_encode = msgspec.json.Encoder().encode


class Subscriber(Connection):
    def __init__(self, request: web.Request, is_combined: bool, is_micro: bool) -> None:
        super().__init__(request)
        self.is_combined = is_combined
        self.is_micro = is_micro
        self.streams: dict[str, None] = {}

    def announce_shutdown(self, now_ms: int) -> None:
        self.write(self.frame("!serverShutdown", _encode({"e": "serverShutdown", "E": now_ms})))

    def frame(self, stream: str, payload: bytes) -> bytes:
        return text_frame(wrapped(stream, payload) if self.is_combined else payload)


def in_micro(payload: bytes) -> bytes:
    """An event with its times in microseconds; on a bad day a broken one as it is."""
    if isinstance(payload, Broken):
        return payload
    return _encode(time_units.event(msgspec.json.decode(payload)))


def wrapped(stream: str, payload: bytes) -> bytes:
    return b'{"stream":"' + stream.encode() + b'","data":' + payload + b"}"


class MarketStreams:
    """All subscribers of this exchange. `publish` is called with what was saved, and not before."""

    def __init__(self, context: Context, faults: Faults) -> None:
        self._context = context
        self._frames = faults.frames
        faults.watch(Hook.MARKET_LINE, lambda: [each for each in self._subscribers if each.streams])
        self._by_stream: dict[str, set[Subscriber]] = {}
        self._subscribers: set[Subscriber] = set()
        self._books = BookStreams(context)
        self._clock = ClockStreams(context)
        context.exchange.listeners.append(self.publish)

    def __len__(self) -> int:
        return len(self._subscribers)

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/ws", self._serve),
            web.get("/ws/{streams:.*}", self._serve),
            web.get("/stream", self._serve),
        ]

    # --- sending ---------------------------------------------------------------------------------

    def publish(self, changes: Changes) -> None:
        if not self._by_stream:
            return
        now_ms = self._context.now_ms()
        by_symbol: dict[str, list[PublicTrade]] = {}
        for trade in changes.trades:
            by_symbol.setdefault(trade.symbol, []).append(trade)
        for symbol, trades in by_symbol.items():
            name = symbol.lower()
            for kind, encode in (("trade", events.trade), ("aggTrade", events.aggregate_trade)):
                stream = f"{name}@{kind}"
                if stream in self._by_stream:
                    self._send(stream, [encode(trade, now_ms) for trade in trades])
        for stream, payload in self._books.changed(changes):
            self._send(stream, [_encode(payload)])

    def _send(self, stream: str, payloads: list[bytes]) -> None:
        if self._frames.is_quiet(Hook.FRAME):
            self._write(stream, payloads)
            return
        occasion = Occasion(symbol=stream.partition("@")[0].upper())
        passing = [Passing(payload, occasion, (Hook.FRAME,)) for payload in payloads]
        self._frames.passed(stream, passing, partial(self._write, stream))

    def _write(self, stream: str, payloads: list[bytes]) -> None:
        subscribers = self._by_stream.get(stream, ())
        for is_micro in (False, True):
            timed = [each for each in subscribers if each.is_micro is is_micro]
            if is_micro and timed:
                payloads = [in_micro(payload) for payload in payloads]
            for is_combined in (False, True):
                wanting = [each for each in timed if each.is_combined is is_combined]
                if wanting:
                    frames = b"".join(text_frame(wrapped(stream, p) if is_combined else p) for p in payloads)
                    for subscriber in wanting:
                        subscriber.write(frames)

    async def tick(self) -> None:
        """Sends the streams that go by the clock, some ten times and the others once a second; until cancelled."""
        due = time.monotonic()
        for number in count(1):
            due = max(due + _TICK_S, time.monotonic())
            await asyncio.sleep(due - time.monotonic())
            is_second, now_ms = number % _TICKS_A_SECOND == 0, self._context.now_ms()
            for stream in [each for each in self._by_stream if is_second or each.endswith("@100ms")]:
                if payloads := self._payloads(stream, now_ms):
                    self._send(stream, [_encode(payload) for payload in payloads])

    def _payloads(self, stream: str, now_ms: int) -> list[Any]:
        if stream not in self._books:
            return self._clock.payloads(stream, now_ms)
        payload = self._books.payload(stream, now_ms)
        return [] if payload is None else [payload]

    # --- subscribing -----------------------------------------------------------------------------

    def _subscribe(self, subscriber: Subscriber, streams: list[str]) -> None:
        if len(subscriber.streams.keys() | set(streams)) > STREAMS_PER_CONNECTION:
            raise Refused(2, f"Invalid request: too many streams; at most {STREAMS_PER_CONNECTION} a connection")
        for stream in streams:
            subscriber.streams[stream] = None
            if stream not in self._by_stream:
                self._books.begin(stream)
            self._by_stream.setdefault(stream, set()).add(subscriber)
            symbol = stream.partition("@")[0].upper()
            # A stream of a symbol that is not listed stays silent, as on Binance.
            if symbol in self._context.exchange.engine.books:
                self._context.exchange.interest(symbol)

    def _unsubscribe(self, subscriber: Subscriber, streams: list[str]) -> None:
        for stream in streams:
            subscriber.streams.pop(stream, None)
            waiting = self._by_stream.get(stream, set())
            waiting.discard(subscriber)
            if not waiting:
                self._by_stream.pop(stream, None)
                self._books.forget(stream)
                self._clock.forget(stream)

    async def _serve(self, request: web.Request) -> web.WebSocketResponse:
        is_combined = request.path == "/stream"
        named = request.query.get("streams", "") if is_combined else request.match_info.get("streams", "")
        # /ws/<number> has no stream yet.
        streams = [] if named.isdigit() else [name for name in named.split("/") if name]
        subscriber = Subscriber(request, is_combined, wants_micro(self._context, request))
        socket = await subscriber.open()
        self._subscribers.add(subscriber)
        try:
            self._subscribe(subscriber, streams)
            await self._converse(subscriber)
        except Refused as refused:
            await subscriber.close(WSCloseCode.POLICY_VIOLATION, refused.message)
        finally:
            self._unsubscribe(subscriber, list(subscriber.streams))
            self._subscribers.discard(subscriber)
        return socket

    async def _converse(self, subscriber: Subscriber) -> None:
        recent: deque[float] = deque(maxlen=MESSAGES_PER_S + 1)
        async for message in subscriber.messages():
            recent.append(time.monotonic())
            if len(recent) > MESSAGES_PER_S and recent[-1] - recent[0] < 1.0:
                await subscriber.close(WSCloseCode.POLICY_VIOLATION, "Too many requests")
                return
            if message:
                subscriber.send([_encode(self._reply(subscriber, message))])

    def _reply(self, subscriber: Subscriber, message: str) -> dict[str, Any]:
        try:
            asked = read_json(message)
        except Unreadable:
            return {"error": {"code": 3, "msg": f"Invalid JSON: expected value at {_unreadable_at(message)}"}}
        if not isinstance(asked, dict):
            return {"error": {"code": 2, "msg": "Invalid request: a request is an object"}}
        request_id = asked.get("id")
        if not is_request_id(request_id):
            return {"error": {"code": 2, "msg": "Invalid request: request ID must be an unsigned integer"}}
        try:
            if asked.get("method") not in _METHODS:
                raise _no_method(asked, message)
            return {"result": self._do(subscriber, asked), "id": request_id}
        except Refused as refused:
            return {"error": refused.body(), "id": request_id}

    def _do(self, subscriber: Subscriber, asked: dict[str, Any]) -> Any:
        method, params = asked.get("method"), asked.get("params")
        if method == "LIST_SUBSCRIPTIONS":
            return list(subscriber.streams)
        if method in ("SET_PROPERTY", "GET_PROPERTY"):
            return _property(subscriber, params, is_set=method == "SET_PROPERTY")
        if not isinstance(params, list) or not params:
            raise Refused(2, "Invalid request: params must be a list that is not empty")
        if not all(isinstance(name, str) for name in params):
            raise Refused(2, "Invalid request: params must be a list of stream names")
        change: Callable[[Subscriber, list[str]], None] = (
            self._subscribe if method == "SUBSCRIBE" else self._unsubscribe
        )
        change(subscriber, params)
        return None

    async def shut_down(self) -> None:
        """Says so on every connection, then closes it."""
        for subscriber in list(self._subscribers):
            subscriber.announce_shutdown(self._context.now_ms())
        await asyncio.gather(*(subscriber.close() for subscriber in list(self._subscribers)))


# --- in the words of web-socket-streams.md, "Error Messages" ----------------------------------------


def _property(subscriber: Subscriber, params: object, *, is_set: bool) -> Any:
    name, *values = params if isinstance(params, list) and params else [None]
    if not isinstance(name, str):
        raise Refused(2, "Invalid request: property name must be a string")
    if name != "combined":
        raise Refused(0, "Unknown property")
    if len(values) > is_set:
        raise Refused(2, "Invalid request: too many parameters")
    if not is_set:
        return subscriber.is_combined
    if not values or not isinstance(values[0], bool):
        raise Refused(1, "Invalid value type: expected Boolean")
    subscriber.is_combined = values[0]
    return None


def _no_method(asked: dict[str, Any], message: str) -> Refused:
    if "method" not in asked:
        return Refused(2, f"Invalid request: missing field `method` at {_at(message, len(message.rstrip()))}")
    found = _METHOD.search(message)
    wanted = ", ".join(f"`{name}`" for name in _METHODS)
    where = _at(message, found.end() if found else len(message))
    return Refused(2, f"Invalid request: unknown variant `{asked['method']}`, expected one of {wanted} at {where}")


def _unreadable_at(message: str) -> str:
    try:
        json.loads(message)
    except json.JSONDecodeError as error:
        return _at(message, error.pos + 1)
    except UNREADABLE:
        pass
    return _at(message, len(message))


def _at(message: str, end: int) -> str:
    """Where a part of the message ends."""
    return f"line {message.count(chr(10), 0, end) + 1} column {end - message.rfind(chr(10), 0, end) - 1}"

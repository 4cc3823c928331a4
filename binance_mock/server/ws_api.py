"""The WebSocket API, /ws-api/v3: the operations of REST as messages, and the account's own events."""

import asyncio
import json
from typing import Any

import msgspec
from aiohttp import web

from binance_mock.desk import Desk
from binance_mock.errors import Refused, bad_key_format
from binance_mock.faults.faults import Occasion
from binance_mock.faults.kinds import Hook
from binance_mock.orders import Changes
from binance_mock.protocol.events import account_events
from binance_mock.protocol.operations import WS_API, perform
from binance_mock.protocol.params import Params
from binance_mock.protocol.security import check_time, signed_params
from binance_mock.server.bad_days import BadDays
from binance_mock.server.connection import Connection
from binance_mock.server.faulty_frames import Passing
from binance_mock.store import StoreFailed

_encode = msgspec.json.Encoder().encode
# What the account's events are called where frames go by their stream.
USER_EVENTS = "account"


class Session(Connection):
    """A connection, and the subscription of the account on it: one at most."""

    def __init__(self, request: web.Request) -> None:
        super().__init__(request)
        self.subscription: int | None = None
        self._next_subscription = 0
        self.shows_limits = request.query.get("returnRateLimits") != "false"

    def announce_shutdown(self, now_ms: int) -> None:
        self.send([_encode({"event": {"e": "serverShutdown", "E": now_ms}})])

    def end_subscription(self, now_ms: int) -> None:
        self.tell([_encode({"e": "eventStreamTerminated", "E": now_ms})])
        self.subscription = None

    def tell(self, events: list[bytes]) -> None:
        """Sends events of the account; nothing where it is not subscribed."""
        if self.subscription is not None:
            head = b'{"subscriptionId":%d,"event":' % self.subscription
            self.send([head + event + b"}" for event in events])

    def subscribe(self) -> int:
        if self.subscription is not None:
            raise Refused(-2035, "User Data Stream subscription already active.")
        self.subscription = self._next_subscription
        self._next_subscription += 1
        return self.subscription


class WsApi:
    """All sessions of this exchange. `publish` is called with what was saved, and not before."""

    def __init__(self, desk: Desk, bad_days: BadDays) -> None:
        self._desk = desk
        self._bad_days = bad_days
        bad_days.watch(Hook.USER_LINE, lambda: [each for each in self._sessions if each.subscription is not None])
        self._sessions: set[Session] = set()
        desk.exchange.listeners.append(self.publish)

    def __len__(self) -> int:
        return len(self._sessions)

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/ws-api/v3", self._serve)]

    def publish(self, changes: Changes) -> None:
        if not changes.events or all(session.subscription is None for session in self._sessions):
            return
        passing = [
            Passing(
                _encode(event),
                Occasion(event.get("s", ""), event.get("S", "")),
                (Hook.USER_EVENT, Hook.REPORT) if event["e"] == "executionReport" else (Hook.USER_EVENT,),
            )
            for event in account_events(changes, self._desk.now_ms())
        ]
        self._bad_days.frames.passed(USER_EVENTS, passing, self._tell)

    def _tell(self, events: list[bytes]) -> None:
        for session in self._sessions:
            session.tell(events)

    async def _serve(self, request: web.Request) -> web.WebSocketResponse:
        session = Session(request)
        socket = await session.open()
        self._sessions.add(session)
        try:
            async for message in session.messages():
                if message:
                    session.send([_encode(self._reply(session, message))])
        finally:
            self._sessions.discard(session)
        return socket

    def _reply(self, session: Session, message: str) -> dict[str, Any]:
        now_ms = self._desk.now_ms()
        reply: dict[str, Any] = {"id": None}
        places_orders = False
        shows_limits = session.shows_limits
        try:
            self._desk.exchange.store.check()
            if banned := self._bad_days.requests.banned(now_ms):
                raise banned
            # Decimals keep the text that was signed.
            asked = _object(message)
            reply["id"] = asked.get("id")
            params = asked.get("params") or {}
            if not isinstance(params, dict):
                raise Refused(-1135, "Invalid JSON Request")
            shows_limits = params.get("returnRateLimits", shows_limits) is not False
            values = {name: _text(value) for name, value in params.items()}
            operation = WS_API.get(str(asked.get("method")))
            places_orders = operation is not None and operation.places_orders
            if operation is None:
                result = self._of_session(session, str(asked.get("method")), values, now_ms)
            else:
                if operation.signed:
                    self._check(values, now_ms)
                result = perform(self._desk, operation, Params(values), now_ms)
            reply |= {"status": 200, "result": result}
        except Refused as refused:
            reply |= {"status": refused.status, "error": refused.body()}
        except StoreFailed as failure:
            # Whether it was kept is not known here, as with Binance's own 5xx.
            self._desk.fail(failure)
            message = "An unknown error occurred while processing the request."
            reply |= {"status": 500, "error": {"code": -1000, "msg": message}}
        if shows_limits:
            counts = self._desk.limits.order_counts(now_ms) if places_orders else []
            reply["rateLimits"] = [*counts, self._desk.limits.weight_count(now_ms)]
        return reply

    def _check(self, values: dict[str, str], now_ms: int) -> None:
        account = self._desk.account
        account.check_key(values.get("apiKey"))
        account.check_signature(signed_params(values), values.get("signature"))
        check_time(values, now_ms)

    def _of_session(self, session: Session, method: str, values: dict[str, str], now_ms: int) -> Any:
        """What concerns the connection itself."""
        self._desk.limits.spend(2, now_ms)
        match method:
            case "session.logon":
                # Only Ed25519 keys may log on, and the account's key is none.
                self._check(values, now_ms)
                raise Refused(-4056, "HMAC_SHA256 API key is not supported.")
            case "session.status" | "session.logout":
                return {
                    "apiKey": None,
                    "authorizedSince": None,
                    "connectedSince": session.opened_ms,
                    "returnRateLimits": session.shows_limits,
                    "serverTime": now_ms,
                    "userDataStream": session.subscription is not None,
                }
            case "session.subscriptions":
                return [] if session.subscription is None else [{"subscriptionId": session.subscription}]
            case "userDataStream.subscribe.signature":
                self._check(values, now_ms)
                return {"subscriptionId": session.subscribe()}
            case "userDataStream.subscribe":
                # It needs a session that is logged on.
                raise bad_key_format()
            case "userDataStream.unsubscribe":
                return _unsubscribe(session, values)
        raise Refused(-1020, "This operation is not supported.")

    async def shut_down(self) -> None:
        """Says so on every connection, then closes it."""
        for session in list(self._sessions):
            session.announce_shutdown(self._desk.now_ms())
        await asyncio.gather(*(session.close() for session in list(self._sessions)))


def _unsubscribe(session: Session, values: dict[str, str]) -> dict[str, Any]:
    wanted = Params(values).number("subscriptionId")
    if session.subscription is None or wanted not in (None, session.subscription):
        raise Refused(-2036, "User Data Stream subscription not active.")
    session.subscription = None
    return {}


def _object(message: str) -> dict[str, Any]:
    try:
        asked = json.loads(message, parse_float=str)
    except ValueError:
        raise Refused(-1135, "Invalid JSON Request") from None
    if not isinstance(asked, dict):
        raise Refused(-1135, "Invalid JSON Request")
    return asked


def _text(value: Any) -> str:
    """A parameter as it is signed."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | dict):
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return "" if value is None else str(value)

"""The WebSocket API, /ws-api/v3: the operations of REST as messages, and the account's own events."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import msgspec
from aiohttp import web

from binance_mock.engine.errors import Refused, bad_key_format, illegal
from binance_mock.engine.orders import Changes
from binance_mock.faults.faults import Fault, Occasion
from binance_mock.faults.kinds import Hook
from binance_mock.protocol.events import account_events
from binance_mock.protocol.operations import REST, WS_API, perform
from binance_mock.protocol.params import Params
from binance_mock.protocol.time_units import answer as in_microseconds
from binance_mock.server.connection import REQUEST_ID, is_request_id
from binance_mock.server.faults.frames import Passing
from binance_mock.server.faults.http import answered
from binance_mock.server.faults.requests import GARBAGE_BYTES, Asked, Done, Way
from binance_mock.server.faults.schedule import Faults
from binance_mock.server.handshake import wants_micro
from binance_mock.server.session import Session
from binance_mock.state.context import Context
from binance_mock.state.security import check_time, signed_params
from binance_mock.state.store import StoreFailed
from hedgehog_project.outside import Unreadable, read_json

_encode = msgspec.json.Encoder().encode
# By method: what REST calls the same operation.
ENDPOINTS = {
    method: next(f"{verb} {path}" for (verb, path), same in REST.items() if same is operation)
    for method, operation in WS_API.items()
    if operation in REST.values()
}
CONNECTION_WEIGHT = 2
# What the account's events are called where frames go by their stream.
USER_EVENTS = "account"


class WsApi:
    """All sessions of this exchange. `publish` is called with what was saved, and not before."""

    def __init__(self, context: Context, faults: Faults) -> None:
        self._context = context
        self._faults = faults
        faults.watch(Hook.USER_LINE, lambda: [each for each in self._sessions if each.subscription is not None])
        self._sessions: set[Session] = set()
        context.exchange.listeners.append(self.publish)

    def __len__(self) -> int:
        return len(self._sessions)

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/ws-api/v3", self._serve)]

    def publish(self, changes: Changes) -> None:
        if not changes.events or all(session.subscription is None for session in self._sessions):
            return
        now_ms, denials = self._context.now_ms(), self._faults.requests.denials
        passing = [
            Passing(
                _encode(event),
                Occasion(event.get("s", ""), event.get("S", "")),
                (Hook.USER_EVENT, Hook.REPORT) if event["e"] == "executionReport" else (Hook.USER_EVENT,),
            )
            for event in account_events(changes, now_ms)
            if not denials.is_denied(event.get("c", ""), now_ms)
        ]
        self._faults.frames.passed(USER_EVENTS, passing, self._tell)

    def _tell(self, events: list[bytes]) -> None:
        for session in self._sessions:
            session.tell(events)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        if banned := self._faults.requests.banned(self._context.now_ms()):
            return await answered(request, Done(Way.FALSE, said=banned))
        session = Session(request, wants_micro(self._context, request, CONNECTION_WEIGHT))
        socket = await session.open()
        self._sessions.add(session)
        try:
            async for message in session.messages():
                if message:
                    self._answer(session, message)
        finally:
            self._sessions.discard(session)
        return socket

    def _answer(self, session: Session, message: str) -> None:
        """Answers a request, on a bad day as an injected fault wants it."""
        method, request_id, values = _outline(message)
        asked = Asked(ENDPOINTS.get(method, method), values, lambda: self._reply(session, message), _edited)
        done = self._faults.requests.serve(asked)
        match done:
            case Done(Way.TRUE, answer=dict() as reply):
                session.send([_encode(reply)])
            case Done(Way.LATER, answer=dict() as reply):
                asyncio.get_running_loop().call_later(done.delay_s, session.send, [_encode(reply)])
            case Done(Way.FALSE, said=Refused() as refused):
                session.send([_encode({"id": request_id, "status": refused.status, "error": refused.body()})])
            case Done(Way.BREAKS_OFF, answer=dict() as reply):
                encoded = _encode(reply)
                session.send([encoded[: len(encoded) // 2]])
            case Done(Way.GARBAGE, fault=Fault() as fault):
                session.send([fault.chance.randbytes(GARBAGE_BYTES)])
            case _:
                # What stands before the exchange has no word for it here but the end of the connection.
                session.cut()

    def _reply(self, session: Session, message: str) -> dict[str, Any]:
        now_ms = self._context.now_ms()
        reply: dict[str, Any] = {"id": None}
        places_orders = False
        shows_limits = session.shows_limits
        try:
            self._context.exchange.store.check()
            # Decimals keep the text that was signed.
            asked = _object(message)
            if not is_request_id(asked.get("id")):
                raise illegal("id", REQUEST_ID)
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
                    self._check(session, values, now_ms)
                result = perform(self._context, operation, Params(values), now_ms)
            result = in_microseconds(result) if session.is_micro else result
            reply |= {"status": 200, "result": result}
        except Refused as refused:
            reply |= {"status": refused.status, "error": refused.body()}
        except StoreFailed as failure:
            # Whether it was kept is not known here, as with Binance's own 5xx.
            self._context.fail(failure)
            message = "An unknown error occurred while processing the request."
            reply |= {"status": 500, "error": {"code": -1000, "msg": message}}
        if shows_limits:
            counts = self._context.limits.order_counts(now_ms) if places_orders else []
            reply["rateLimits"] = [*counts, self._context.limits.weight_count(now_ms)]
        return reply

    def _check(self, session: Session, values: dict[str, str], now_ms: int) -> None:
        """Raises Refused. A session that is logged on may leave key and signature out."""
        account = self._context.account
        if session.logged_on_ms is None or "apiKey" in values or "signature" in values:
            account.check_key(values.get("apiKey"))
            account.check_signature(signed_params(values), values.get("signature"))
        check_time(values, now_ms)

    def _of_session(self, session: Session, method: str, values: dict[str, str], now_ms: int) -> Any:
        """What concerns the connection itself."""
        account = self._context.account
        self._context.limits.spend(2, now_ms)
        match method:
            case "session.logon":
                self._check(session, values, now_ms)
                session.log_on(account, now_ms)
                return session.status(account, now_ms)
            case "session.logout":
                session.log_out(now_ms)
                return session.status(account, now_ms)
            case "session.status":
                return session.status(account, now_ms)
            case "session.subscriptions":
                return [] if session.subscription is None else [{"subscriptionId": session.subscription}]
            case "userDataStream.subscribe.signature":
                self._check(session, values, now_ms)
                return {"subscriptionId": session.subscribe()}
            case "userDataStream.subscribe":
                if session.logged_on_ms is None:
                    raise bad_key_format()
                return {"subscriptionId": session.subscribe(is_of_logon=True)}
            case "userDataStream.unsubscribe":
                return session.unsubscribe(Params(values).number("subscriptionId"))
        raise Refused(-1020, "This operation is not supported.")

    async def shut_down(self) -> None:
        """Says so on every connection, then closes it."""
        for session in list(self._sessions):
            session.announce_shutdown(self._context.now_ms())
        await asyncio.gather(*(session.close() for session in list(self._sessions)))


def _edited(reply: dict[str, Any], change: Callable[[Any], Any]) -> dict[str, Any]:
    return {**reply, "result": change(reply["result"])} if "result" in reply else reply


def _outline(message: str) -> tuple[str, Any, dict[str, str]]:
    """Method, id and parameters of a request, as far as it has any: what a fault is chosen by."""
    try:
        asked = _object(message)
    except Refused:
        return "", None, {}
    params = asked.get("params")
    values = {name: _text(value) for name, value in params.items()} if isinstance(params, dict) else {}
    return str(asked.get("method")), asked.get("id"), values


def _object(message: str) -> dict[str, Any]:
    try:
        asked = read_json(message, parse_float=str)
    except Unreadable:
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

"""One connection of the WebSocket API: what it is subscribed to, and who is logged on to it."""

from typing import Any

import msgspec
from aiohttp import web

from binance_mock.engine.errors import Refused
from binance_mock.server.connection import Connection
from binance_mock.server.market_streams import in_micro
from binance_mock.state.security import Account
from hedgehog_project.venues.keys import KeyKind

_encode = msgspec.json.Encoder().encode


class Session(Connection):
    """A connection, who is logged on to it, and the subscription of the account on it: one at most."""

    def __init__(self, request: web.Request, is_micro: bool) -> None:
        super().__init__(request)
        self.is_micro = is_micro
        self.logged_on_ms: int | None = None
        self.subscription: int | None = None
        self._next_subscription = 0
        self._is_of_logon = False
        self.shows_limits = request.query.get("returnRateLimits") != "false"

    def announce_shutdown(self, now_ms: int) -> None:
        self.send([_encode({"event": {"e": "serverShutdown", "E": now_ms}})])

    def end_subscription(self, now_ms: int) -> None:
        self.tell([_encode({"e": "eventStreamTerminated", "E": now_ms})])
        self.subscription = None

    def tell(self, events: list[bytes]) -> None:
        """Sends events of the account; nothing where it is not subscribed."""
        if self.subscription is not None:
            if self.is_micro:
                events = [in_micro(event) for event in events]
            head = b'{"subscriptionId":%d,"event":' % self.subscription
            self.send([head + event + b"}" for event in events])

    def subscribe(self, *, is_of_logon: bool = False) -> int:
        if self.subscription is not None:
            raise Refused(-2035, "User Data Stream subscription already active.")
        self._is_of_logon = is_of_logon
        self.subscription = self._next_subscription
        self._next_subscription += 1
        return self.subscription

    def unsubscribe(self, subscription: int | None) -> dict[str, Any]:
        """Ends that subscription, or any. Raises Refused where there is none."""
        if self.subscription is None or subscription not in (None, self.subscription):
            raise Refused(-2036, "User Data Stream subscription not active.")
        self.subscription = None
        return {}

    def status(self, account: Account, now_ms: int) -> dict[str, Any]:
        return {
            # A plain text: encoders refuse one that hides itself.
            "apiKey": None if self.logged_on_ms is None else str(account.api_key),
            "authorizedSince": self.logged_on_ms,
            "connectedSince": self.opened_ms,
            "returnRateLimits": self.shows_limits,
            "serverTime": now_ms,
            "userDataStream": self.subscription is not None,
        }

    def log_on(self, account: Account, now_ms: int) -> None:
        """The request is already known to be signed with the account's key. Raises Refused for other than Ed25519."""
        if account.public_key is None or account.public_key.kind is not KeyKind.ED25519:
            kind = "HMAC_SHA256" if account.public_key is None else "RSA"
            raise Refused(-4056, f"{kind} API key is not supported.")
        self.logged_on_ms = now_ms

    def log_out(self, now_ms: int) -> None:
        """Ends the account's events as well, where they came from being logged on."""
        if self.logged_on_ms is not None and self._is_of_logon and self.subscription is not None:
            self.end_subscription(now_ms)
        self.logged_on_ms = None

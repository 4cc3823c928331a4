"""The account's own orders: the user data stream of one venue, published as execution reports.

Subscribing is signed, for any kind of request as in Binance's web-socket-api/user-data-stream-requests.md.
"""

import logging
import time
from collections import deque
from typing import Any, TypeGuard

import msgspec
import redis

from hedgehog_project.outside import UNREADABLE
from hedgehog_project.venues import Endpoints, Venue
from hedgehog_project.venues.codes import CLOCK_IS_OFF, known, needs_a_person
from streamer.connection import Connection, ConnectionLost, Timeouts
from streamer.frame_socket import FrameSocket
from streamer.frames import Oddities
from streamer.topics import REPORTS_KEPT, report_topic

log = logging.getLogger(__name__)

ANSWER_S = 10.0
# A wrong key does not become right by asking often.
REFUSED_WAIT_S = 60.0
BACKLOG_MAX = 10_000
RETRY_S = 0.5
MAX_MS = 10**14  # in the year 5138


class _Message(msgspec.Struct):
    id: int | str | None = None
    status: int | None = None
    result: Any = None
    error: Any = None
    event: msgspec.Raw = msgspec.Raw()


class _Event(msgspec.Struct):
    e: str = ""


_decode_message = msgspec.json.Decoder(_Message).decode
_decode_event = msgspec.json.Decoder(_Event).decode


class UserFeed(Connection):
    """Subscribes on every new connection, and says "connected" in the topic when that has worked.

    The endpoints must have a key.
    """

    def __init__(
        self, venue: Venue, endpoints: Endpoints, client: "redis.Redis", timeouts: Timeouts | None = None
    ) -> None:
        if endpoints.key is None:
            raise ValueError(endpoints.why_no_key)
        super().__init__(f"user-{venue}", timeouts or Timeouts(), endpoints.headers)
        self.subscribed = False
        self.problem = ""  # why there is no subscription, in words
        self.oddities = Oddities(self.name)
        self.venue = venue
        self._ws_api_url = endpoints.ws_api_url
        self._key = endpoints.key
        self._client = client
        self._backlog: deque[tuple[str, bytes]] = deque()
        self._redis_away = False
        self._clock_offset_ms = 0
        self._waiting_for = ""
        self._asked_at = 0.0
        self._resynced = False
        self._message_id = 0

    def url(self) -> str | None:
        self.subscribed = False
        return self._ws_api_url

    def opened(self, ws: FrameSocket) -> None:
        self._resynced = False
        self._subscribe(ws)

    def received(self, ws: FrameSocket, payloads: list[bytes]) -> None:
        for payload in payloads:
            try:
                message = _decode_message(payload)
                event = _decode_event(message.event) if message.event else None
            except UNREADABLE:
                self.oddities.note("broken", payload)
                continue
            if event is not None:
                self._on_event(event.e, bytes(message.event))
            elif message.status is not None and message.id == self._message_id:
                self._on_answer(ws, message)
            else:
                self._on_bare(payload)

    def tend(self, ws: FrameSocket) -> float:
        if self._waiting_for and time.monotonic() - self._asked_at > ANSWER_S:
            raise ConnectionLost(f"{self._waiting_for} was not answered within {ANSWER_S:g} s")
        if self._backlog and not self._flush():
            return RETRY_S
        return 1.0 if self._waiting_for else 3600.0

    def is_quiet_odd(self) -> bool:
        return False  # An account without orders has nothing to say.

    # --- the exchange's words -------------------------------------------------------------------
    def _on_event(self, kind: str, event: bytes) -> None:
        if kind == "serverShutdown":
            raise ConnectionLost("the exchange announced a shutdown", wait_s=0.0)
        self._publish("event", event)
        if kind == "eventStreamTerminated":
            raise ConnectionLost("the exchange ended the subscription", wait_s=0.0)

    def _on_bare(self, payload: bytes) -> None:
        """`serverShutdown` may come without an envelope."""
        try:
            kind = _decode_event(payload).e
        except UNREADABLE:
            kind = ""
        if kind == "serverShutdown":
            raise ConnectionLost("the exchange announced a shutdown", wait_s=0.0)
        self.oddities.note(kind or "unexpected response", payload)

    def _on_answer(self, ws: FrameSocket, message: _Message) -> None:
        asked, self._waiting_for = self._waiting_for, ""
        if message.status != 200:
            self._on_refusal(ws, asked, message.error if isinstance(message.error, dict) else {})
        elif asked == "time":
            server_ms = message.result.get("serverTime") if isinstance(message.result, dict) else None
            if not is_time_ms(server_ms):
                raise ConnectionLost("the exchange did not return its time")
            self._clock_offset_ms = server_ms - _now_ms()
            log.warning("clock_resynced venue=%s offset_ms=%d", self.venue, self._clock_offset_ms)
            self._subscribe(ws)
        elif not self.subscribed:
            self.subscribed = True
            self.problem = ""
            log.info("subscribed connection=%s", self.name)
            self._publish("connected", b"{}")

    def _on_refusal(self, ws: FrameSocket, asked: str, error: dict[str, Any]) -> None:
        code, text = error.get("code"), error.get("msg")
        if code == CLOCK_IS_OFF and not self._resynced:
            self._resynced = True
            self._ask(ws, "time", {})
            return
        advice = known(code).advice
        self.problem = f"{asked} rejected with {code} {text}" + (f" ({advice})" if advice else "")
        log.error("user_stream_refused venue=%s problem=%r", self.venue, self.problem)
        # A busy exchange is asked again soon; what somebody must fix first, seldom.
        wait_s = REFUSED_WAIT_S if needs_a_person(code) else None
        raise ConnectionLost(self.problem, wait_s=_retry_after_s(error) or wait_s)

    def _subscribe(self, ws: FrameSocket) -> None:
        self._ask(ws, "userDataStream.subscribe.signature", self._key.signed({}, _now_ms() + self._clock_offset_ms))

    def _ask(self, ws: FrameSocket, method: str, params: dict[str, str | int]) -> None:
        self._message_id += 1
        ws.send(msgspec.json.encode({"id": self._message_id, "method": method, "params": params}))
        self._waiting_for = method
        self._asked_at = time.monotonic()

    # --- to Redis -------------------------------------------------------------------------------
    def _publish(self, kind: str, data: bytes) -> None:
        self._backlog.append((kind, data))
        if len(self._backlog) > BACKLOG_MAX:
            self._backlog.popleft()
        self._flush()

    def _flush(self) -> bool:
        """Adds what waits to the topic. False where Redis does not take it."""
        topic = report_topic(self.venue)
        try:
            while self._backlog:
                kind, data = self._backlog[0]
                self._client.xadd(topic, {"kind": kind, "data": data}, maxlen=REPORTS_KEPT, approximate=True)
                self._backlog.popleft()
        except redis.RedisError as error:
            if not self._redis_away:
                log.error("redis_away connection=%s reason=%r: reports are buffered in memory", self.name, str(error))
            self._redis_away = True
            return False
        if self._redis_away:
            self._redis_away = False
            log.warning("redis_back connection=%s", self.name)
            # It may have come back empty: what it held was not read by everybody.
            self._publish("connected", b"{}")
        return True


def _now_ms() -> int:
    return int(time.time() * 1000)


def _retry_after_s(error: dict[str, Any]) -> float:
    """How long the exchange wants us to stay away: until `data.retryAfter`, in ms by its clock, as `serverTime`."""
    data = error.get("data")
    until_ms = data.get("retryAfter") if isinstance(data, dict) else None
    if not isinstance(data, dict) or not is_time_ms(until_ms):
        return 0.0
    there_ms = data.get("serverTime")
    return max(0.0, (until_ms - (there_ms if is_time_ms(there_ms) else _now_ms())) / 1000)


def is_time_ms(value: object) -> TypeGuard[int]:
    """Whether this can be a time: a larger number fits neither a request nor a float."""
    return isinstance(value, int) and 0 <= value < MAX_MS

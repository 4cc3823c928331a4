"""Every kind of fault: what it does in one sentence, what it applies to, and what can be set for it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Hook(StrEnum):
    """Where a fault is injected: each request, frame or second that passes there is one occasion."""

    BEFORE = "before"  # A request, before anything of it is done.
    CANCEL = "cancel"  # A request to cancel an open order, before it is carried out.
    AFTER = "after"  # A request that was carried out, before it is answered.
    USER_EVENT = "user_event"  # Anything that the account is told.
    REPORT = "report"  # An executionReport.
    FRAME = "frame"  # A frame of a market stream.
    USER_LINE = "user_line"  # A second of each connection that is subscribed to the account's events.
    MARKET_LINE = "market_line"  # A second of each connection of the market streams.
    STATE = "state"  # Lasts as long as it is on.


REQUESTS = frozenset({Hook.BEFORE, Hook.CANCEL, Hook.AFTER})
PLACE, CANCEL = "POST order", "DELETE order"
ORDERS = frozenset({PLACE, CANCEL})
# An endpoint that stands for all of them.
ANY = "any"


@dataclass(frozen=True)
class Kind:
    """`endpoints` are the requests that it applies to unless told otherwise; None is every request."""

    name: str
    group: str
    text: str
    hook: Hook
    endpoints: frozenset[str] | None = None
    # What else can be set, with what it is unless set.
    options: Mapping[str, int] = field(default_factory=dict)
    # Seconds, where neither probability, count nor time are given. None: it is then injected once.
    for_s: float | None = None
    # Whether a random mix may choose it.
    in_mix: bool = True

    @property
    def takes(self) -> frozenset[str]:
        """What narrows it down: of symbol, side and endpoint."""
        if self.hook in (Hook.BEFORE, Hook.AFTER):
            return frozenset({"symbol", "side", "endpoint"})
        if self.hook in (Hook.CANCEL, Hook.REPORT):
            return frozenset({"symbol", "side"})
        return frozenset({"symbol"} if self.hook in (Hook.USER_EVENT, Hook.FRAME, Hook.STATE) else ())

    @property
    def applies_to(self) -> str:
        """What it applies to unless told otherwise, for people."""
        if self.hook in (Hook.BEFORE, Hook.AFTER):
            return "every request" if self.endpoints is None else _NAMED[self.endpoints]
        return _APPLIES_TO[self.hook]


_NAMED = {ORDERS: "placing and cancelling", frozenset({PLACE}): "placing", frozenset({CANCEL}): "cancelling"}
_APPLIES_TO = {
    Hook.CANCEL: "cancelling",
    Hook.USER_EVENT: "each event of the account",
    Hook.REPORT: "each execution report",
    Hook.FRAME: "each frame",
    Hook.USER_LINE: "each subscribed connection, once a second",
    Hook.MARKET_LINE: "each connection, once a second",
    Hook.STATE: "the exchange, while it is on",
}

LOST, REJECTED, SLOW = "Lost responses", "Rejected", "Slow or broken responses"
USER, MARKET, TRADING = "User data stream", "Market streams", "Exchange"
GROUPS = (LOST, REJECTED, SLOW, USER, MARKET, TRADING)

# Answers that leave open whether the request was carried out: here before it is, or instead of the true answer.
_UNCLEAR = {
    "unknown_1000": "HTTP 500 with -1000, an unknown error",
    "unexpected_1006": "HTTP 500 with -1006, an unexpected response from the message bus",
    "timeout_1007": "HTTP 504 with -1007, a timeout of the backend",
    "http_500": "HTTP 500 with an empty body",
    "http_502": "HTTP 502 with a page of HTML",
    "http_503": "HTTP 503 with a page of HTML",
}


def _all_kinds() -> list[Kind]:
    lost = [
        Kind("answer_lost", LOST, "The request is executed, then the connection drops without a response.",
             Hook.AFTER, ORDERS),
        Kind("never_arrives", LOST, "The connection drops before the request is executed.", Hook.BEFORE, ORDERS),
        Kind("accepted_late", LOST,
             "The connection drops or -1007 is returned; the request is executed later, within its recvWindow "
             "(delay_ms; 0 chooses at random).", Hook.BEFORE, ORDERS, {"delay_ms": 0}),
    ]  # fmt: skip
    for name, answer in _UNCLEAR.items():
        lost += [
            Kind(f"{name}_before", LOST, f"Returns {answer}; the request is not executed.", Hook.BEFORE, ORDERS),
            Kind(f"{name}_after", LOST, f"Returns {answer}, although the request was executed.", Hook.AFTER, ORDERS),
        ]
    placing = frozenset({PLACE})
    return [
        *lost,
        Kind("order_denied", LOST,
             "An order is accepted without a response or a report. For a while (deny_s) the exchange says that it "
             "has no such order; with everywhere=1 no list of orders and trades shows it either.",
             Hook.BEFORE, placing, {"deny_s": 12, "everywhere": 0}),
        Kind("throttled_429", REJECTED,
             "Returns HTTP 429 with -1003 and Retry-After, to every request until that time (retry_after_s).",
             Hook.BEFORE, options={"retry_after_s": 5}),
        Kind("banned_418", REJECTED,
             "Returns HTTP 418 with -1003 and Retry-After, to every request until that time (retry_after_s).",
             Hook.BEFORE, options={"retry_after_s": 10}),
        Kind("too_many_requests_1003", REJECTED, "Returns HTTP 429 with -1003 and no Retry-After, once.",
             Hook.BEFORE),
        Kind("firewall_403", REJECTED, "Returns HTTP 403 with a page of HTML, as the firewall does.", Hook.BEFORE),
        Kind("overloaded_1008", REJECTED, "Returns HTTP 503 with -1008, the server is overloaded.", Hook.BEFORE),
        Kind("too_many_orders_1015", REJECTED, "Returns HTTP 429 with -1015, too many new orders.",
             Hook.BEFORE, placing, {"retry_after_s": 2}),
        Kind("clock_1021", REJECTED, "Returns -1021, the timestamp is outside of the recvWindow.", Hook.BEFORE),
        Kind("balance_2010", REJECTED, "Rejects an order with -2010, insufficient balance.", Hook.BEFORE, placing),
        Kind("duplicate_2010", REJECTED, "Rejects an order with -2010, duplicate order.", Hook.BEFORE, placing),
        Kind("closed_2010", REJECTED, "Rejects an order with -2010, market is closed.", Hook.BEFORE, placing),
        Kind("would_match_2010", REJECTED, "Rejects an order with -2010, it would immediately match and take.",
             Hook.BEFORE, placing),
        # Who is told this stops until a person looks: no part of a day that gets better by itself.
        Kind("key_2015", REJECTED, "Returns HTTP 401 with -2015, an invalid key, IP or permission.",
             Hook.BEFORE, in_mix=False),
        Kind("answer_delayed", SLOW, "The request is executed immediately and answered late (delay_ms).",
             Hook.AFTER, options={"delay_ms": 2000}),
        Kind("body_cut_off", SLOW, "The request is executed; the response is truncated.", Hook.AFTER),
        Kind("body_garbage", SLOW, "The request is executed; the response is garbage.", Hook.AFTER),
        Kind("reports_delayed", USER, "Execution reports arrive late (delay_ms).",
             Hook.REPORT, options={"delay_ms": 2000}),
        Kind("reports_doubled", USER, "Execution reports arrive twice.", Hook.REPORT),
        Kind("reports_shuffled", USER, "Execution reports arrive out of order.", Hook.REPORT),
        Kind("reports_dropped", USER, "Execution reports are dropped.", Hook.REPORT),
        Kind("user_silent", USER, "The connection stays open and answers pings, but no events arrive.",
             Hook.USER_EVENT, for_s=30),
        Kind("user_half_open", USER, "The socket stays open, but nothing is read or written.",
             Hook.USER_LINE),
        Kind("user_closed_1001", USER, "The connection is closed with code 1001.", Hook.USER_LINE),
        Kind("user_closed_1006", USER, "The connection drops without a close frame (1006).", Hook.USER_LINE),
        Kind("user_server_shutdown", USER, "serverShutdown is announced, and the connection closed (delay_ms) later.",
             Hook.USER_LINE, options={"delay_ms": 1000}),
        Kind("user_terminated", USER, "eventStreamTerminated: the connection stays open, the subscription ends.",
             Hook.USER_LINE),
        Kind("frames_delayed", MARKET, "Frames arrive late (delay_ms).", Hook.FRAME, options={"delay_ms": 2000}),
        Kind("frames_doubled", MARKET, "Frames arrive twice.", Hook.FRAME),
        Kind("frames_shuffled", MARKET, "Frames arrive out of order.", Hook.FRAME),
        Kind("frames_dropped", MARKET, "Frames are dropped.", Hook.FRAME),
        Kind("frames_broken", MARKET,
             "Frames arrive as truncated JSON, binary garbage, or with values of wrong types.", Hook.FRAME),
        Kind("market_silent", MARKET, "Connections stay open and answer pings, but no frames arrive.",
             Hook.FRAME, for_s=30),
        Kind("market_half_open", MARKET, "A socket stays open, but nothing is read or written.",
             Hook.MARKET_LINE),
        Kind("market_closed_1001", MARKET, "A connection is closed with code 1001.", Hook.MARKET_LINE),
        Kind("market_closed_1006", MARKET, "A connection drops without a close frame (1006).", Hook.MARKET_LINE),
        Kind("market_closed_1008", MARKET, "A connection is closed with code 1008, as for too many requests.",
             Hook.MARKET_LINE),
        Kind("market_server_shutdown", MARKET,
             "serverShutdown is announced, and the connection closed (delay_ms) later.",
             Hook.MARKET_LINE, options={"delay_ms": 1000}),
        Kind("trading_halted", TRADING, "A symbol's status is HALT: orders are rejected, nothing trades.",
             Hook.STATE, for_s=30),
        Kind("filters_coarser", TRADING, "A symbol's tick size, step size and min notional are ten times as large.",
             Hook.STATE, for_s=30),
        Kind("cancel_loses_to_fill", TRADING, "An order fills completely just before its cancel arrives.",
             Hook.CANCEL),
        Kind("cancel_meets_part_fill", TRADING, "Half of an order fills just before its cancel arrives.",
             Hook.CANCEL),
    ]  # fmt: skip


KINDS: Mapping[str, Kind] = {kind.name: kind for kind in _all_kinds()}

"""Every kind of fault: what it does in one sentence, where it strikes, and what can be set for it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Hook(StrEnum):
    """Where a fault strikes: each request, frame or second that passes there is one occasion."""

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
    """`endpoints` are the requests that it strikes unless told otherwise; None is every request."""

    name: str
    group: str
    text: str
    hook: Hook
    endpoints: frozenset[str] | None = None
    # What else can be set, with what it is unless set.
    options: Mapping[str, int] = field(default_factory=dict)
    # Seconds, where neither probability, count nor time are given. None: it then strikes once.
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
    def strikes(self) -> str:
        """What it strikes unless told otherwise, for people."""
        if self.hook in (Hook.BEFORE, Hook.AFTER):
            return "every request" if self.endpoints is None else _NAMED[self.endpoints]
        return _STRUCK[self.hook]


_NAMED = {ORDERS: "placing and cancelling", frozenset({PLACE}): "placing", frozenset({CANCEL}): "cancelling"}
_STRUCK = {
    Hook.CANCEL: "cancelling",
    Hook.USER_EVENT: "each event of the account",
    Hook.REPORT: "each report of an order",
    Hook.FRAME: "each frame",
    Hook.USER_LINE: "each subscribed connection, once a second",
    Hook.MARKET_LINE: "each connection, once a second",
    Hook.STATE: "the exchange, as long as it is on",
}

LOST, REFUSED, SLOW = "Answers lost", "Refused", "Slow or broken answers"
USER, MARKET, TRADING = "User stream", "Market streams", "The exchange itself"
GROUPS = (LOST, REFUSED, SLOW, USER, MARKET, TRADING)

# Answers that leave open whether the request was carried out: here before it is, or instead of the true answer.
_UNCLEAR = {
    "unknown_1000": "HTTP 500 with -1000, an unknown error",
    "unexpected_1006": "HTTP 500 with -1006, an unexpected response from the message bus",
    "timeout_1007": "HTTP 504 with -1007, a time-out behind the gate",
    "http_500": "HTTP 500 with an empty body",
    "http_502": "HTTP 502 with a page of HTML",
    "http_503": "HTTP 503 with a page of HTML",
}


def _all_kinds() -> list[Kind]:
    lost = [
        Kind("answer_lost", LOST, "The request is carried out, then the connection is cut without an answer.",
             Hook.AFTER, ORDERS),
        Kind("never_arrives", LOST, "The connection is cut before the request is carried out.", Hook.BEFORE, ORDERS),
        Kind("accepted_late", LOST,
             "The connection is cut or -1007 is answered; the request is carried out later, within its recvWindow "
             "(delay_ms; 0 chooses at random).", Hook.BEFORE, ORDERS, {"delay_ms": 0}),
    ]  # fmt: skip
    for name, answer in _UNCLEAR.items():
        lost += [
            Kind(f"{name}_before", LOST, f"Answers {answer}; the request is not carried out.", Hook.BEFORE, ORDERS),
            Kind(f"{name}_after", LOST, f"Answers {answer}, though the request was carried out.", Hook.AFTER, ORDERS),
        ]
    placing = frozenset({PLACE})
    return [
        *lost,
        Kind("order_denied", LOST,
             "An order is accepted, and no answer and no report tells of it. For a while (deny_s) the exchange says "
             "that it has no such order; with everywhere=1 no list of orders and trades shows it either.",
             Hook.BEFORE, placing, {"deny_s": 12, "everywhere": 0}),
        Kind("throttled_429", REFUSED,
             "Answers HTTP 429 with -1003 and Retry-After, to every request until that time (retry_after_s).",
             Hook.BEFORE, options={"retry_after_s": 5}),
        Kind("banned_418", REFUSED,
             "Answers HTTP 418 with -1003 and Retry-After, to every request until that time (retry_after_s).",
             Hook.BEFORE, options={"retry_after_s": 10}),
        Kind("too_many_requests_1003", REFUSED, "Answers HTTP 429 with -1003 and no Retry-After, once.", Hook.BEFORE),
        Kind("firewall_403", REFUSED, "Answers HTTP 403 with a page of HTML, as the firewall does.", Hook.BEFORE),
        Kind("overloaded_1008", REFUSED, "Answers HTTP 503 with -1008, the server is overloaded.", Hook.BEFORE),
        Kind("too_many_orders_1015", REFUSED, "Answers HTTP 429 with -1015, too many new orders.",
             Hook.BEFORE, placing, {"retry_after_s": 2}),
        Kind("clock_1021", REFUSED, "Answers -1021, the timestamp is outside of the recvWindow.", Hook.BEFORE),
        Kind("balance_2010", REFUSED, "Refuses an order with -2010, insufficient balance.", Hook.BEFORE, placing),
        Kind("duplicate_2010", REFUSED, "Refuses an order with -2010, duplicate order.", Hook.BEFORE, placing),
        Kind("closed_2010", REFUSED, "Refuses an order with -2010, market is closed.", Hook.BEFORE, placing),
        Kind("would_match_2010", REFUSED, "Refuses an order with -2010, it would immediately match and take.",
             Hook.BEFORE, placing),
        # Who is told this stops until a person looks: no part of a day that gets better by itself.
        Kind("key_2015", REFUSED, "Answers HTTP 401 with -2015, a wrong key, address or permission.",
             Hook.BEFORE, in_mix=False),
        Kind("answer_delayed", SLOW, "The request is carried out at once and answered later (delay_ms).",
             Hook.AFTER, options={"delay_ms": 2000}),
        Kind("body_cut_off", SLOW, "The request is carried out; its answer breaks off in the middle.", Hook.AFTER),
        Kind("body_garbage", SLOW, "The request is carried out and answered with bytes that mean nothing.",
             Hook.AFTER),
        Kind("reports_delayed", USER, "Reports of orders come later (delay_ms).",
             Hook.REPORT, options={"delay_ms": 2000}),
        Kind("reports_doubled", USER, "Reports of orders come twice.", Hook.REPORT),
        Kind("reports_shuffled", USER, "Reports of orders come after the ones that follow them.", Hook.REPORT),
        Kind("reports_dropped", USER, "Reports of orders never come.", Hook.REPORT),
        Kind("user_silent", USER, "The connection stays, pings are answered, but no event comes.",
             Hook.USER_EVENT, for_s=30),
        Kind("user_half_open", USER, "The socket stays open, but nothing is read from it or written to it.",
             Hook.USER_LINE),
        Kind("user_closed_1001", USER, "The connection is closed with code 1001.", Hook.USER_LINE),
        Kind("user_closed_1006", USER, "The connection is cut without a close frame (1006).", Hook.USER_LINE),
        Kind("user_server_shutdown", USER, "serverShutdown is announced, and the connection closed (delay_ms) later.",
             Hook.USER_LINE, options={"delay_ms": 1000}),
        Kind("user_terminated", USER, "eventStreamTerminated: the connection stays, the subscription is gone.",
             Hook.USER_LINE),
        Kind("frames_delayed", MARKET, "Frames come later (delay_ms).", Hook.FRAME, options={"delay_ms": 2000}),
        Kind("frames_doubled", MARKET, "Frames come twice.", Hook.FRAME),
        Kind("frames_shuffled", MARKET, "Frames come after the ones that follow them.", Hook.FRAME),
        Kind("frames_dropped", MARKET, "Frames never come.", Hook.FRAME),
        Kind("frames_broken", MARKET, "Frames come as cut JSON, binary rubbish, or with values of wrong types.",
             Hook.FRAME),
        Kind("market_silent", MARKET, "Connections stay, pings are answered, but no frame comes.",
             Hook.FRAME, for_s=30),
        Kind("market_half_open", MARKET, "A socket stays open, but nothing is read from it or written to it.",
             Hook.MARKET_LINE),
        Kind("market_closed_1001", MARKET, "A connection is closed with code 1001.", Hook.MARKET_LINE),
        Kind("market_closed_1006", MARKET, "A connection is cut without a close frame (1006).", Hook.MARKET_LINE),
        Kind("market_closed_1008", MARKET, "A connection is closed with code 1008, as for too many requests.",
             Hook.MARKET_LINE),
        Kind("market_server_shutdown", MARKET,
             "serverShutdown is announced, and the connection closed (delay_ms) later.",
             Hook.MARKET_LINE, options={"delay_ms": 1000}),
        Kind("trading_halted", TRADING, "A symbol's status is HALT: orders are refused, nothing trades.",
             Hook.STATE, for_s=30),
        Kind("filters_coarser", TRADING, "A symbol's tick, step and least notional are ten times as large.",
             Hook.STATE, for_s=30),
        Kind("cancel_loses_to_fill", TRADING, "An order is filled whole just before its cancel, which finds nothing.",
             Hook.CANCEL),
        Kind("cancel_meets_part_fill", TRADING, "Half of an order is filled just before it is cancelled.",
             Hook.CANCEL),
    ]  # fmt: skip


KINDS: Mapping[str, Kind] = {kind.name: kind for kind in _all_kinds()}

"""What a frame from an exchange is: a trade, a reply to a subscription, news of a shutdown, or something unknown.

Shapes are those of Binance's web-socket-streams.md. Trades come raw or wrapped as {"stream": …, "data": …}.
"""

import logging
import re
from collections import Counter
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec

from hedgehog_project.outside import UNREADABLE
from streamer.topics import TradeEvent

log = logging.getLogger(__name__)

# How much of a frame a log line shows.
SHOWN_CHARACTERS = 500
# Binance's prices and quantities have eight decimals and fit into 64 bits.
LONGEST_AMOUNT = 40
# Several of them, each with a comma behind it: no zero, and shorter than that.
_AMOUNTS = re.compile(r"(?:(?![0.]*,)[0-9]{1,20}+(?:\.[0-9]{0,18}+)?,)++")

# What Redis takes as the first half of an entry's id, less one bit.
_Id = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
_Ms = Annotated[int, msgspec.Meta(ge=0, le=2**53)]


# Decoding makes this struct, and so a TradeEvent, in one step. tag: "blockTrade" has the same fields.
class _Trade(TradeEvent, frozen=True, gc=False, tag_field="e", tag="trade"):
    symbol: str = msgspec.field(name="s")
    trade_id: _Id = msgspec.field(name="t")
    price: str = msgspec.field(name="p")
    quantity: str = msgspec.field(name="q")
    trade_ms: _Ms = msgspec.field(name="T")
    event_ms: _Ms = msgspec.field(name="E")
    buyer_is_maker: bool = msgspec.field(name="m")


class _Combined(msgspec.Struct, gc=False):
    data: _Trade


_decode_combined = msgspec.json.Decoder(_Combined).decode
_decode_raw = msgspec.json.Decoder(_Trade).decode
_decode_any = msgspec.json.Decoder().decode


@dataclass(frozen=True)
class Reply:
    """The exchange's answer to SUBSCRIBE or UNSUBSCRIBE. `error` is None where it agreed."""

    id: int | str | None
    error: str | None


@dataclass(frozen=True)
class Shutdown:
    """`serverShutdown`: the exchange is about to close the connection."""


@dataclass(frozen=True)
class Unknown:
    """A frame that is nothing we know. `kind` groups those alike."""

    kind: str


Frame = TradeEvent | Reply | Shutdown | Unknown


def decode(payload: bytes) -> Frame:
    """What this frame is. Never raises: what cannot be read is Unknown."""
    try:
        trade = _decode_combined(payload).data
    except UNREADABLE:
        try:
            return _decode_other(payload)
        except UNREADABLE:  # What could be read may still be nested too deep to be written down.
            return Unknown("unreadable")
    return trade if is_amount(trade.price) and is_amount(trade.quantity) else Unknown("trade without a price")


def decode_all(payloads: list[bytes]) -> tuple[list[TradeEvent], list[tuple[bytes, Frame]]]:
    """The trades of a batch, in order, and apart from them all that is no trade."""
    try:
        read: list[TradeEvent] = [_decode_combined(payload).data for payload in payloads]
    except UNREADABLE:
        read = []
    if read and _are_amounts(read):
        return read, []
    # Something else is among them.
    trades: list[TradeEvent] = []
    others: list[tuple[bytes, Frame]] = []
    for payload in payloads:
        frame = decode(payload)
        if isinstance(frame, TradeEvent):
            trades.append(frame)
        else:
            others.append((payload, frame))
    return trades, others


def is_amount(text: str) -> bool:
    """Whether this is a plain decimal above zero, as Binance writes prices and quantities."""
    if len(text) > LONGEST_AMOUNT:
        return False
    return text.replace(".", "", 1).isdecimal() and text.isascii() and float(text) > 0


def _are_amounts(trades: list[TradeEvent]) -> bool:
    """Whether is_amount holds for all their prices and quantities, as exchanges write them. One look at all of them
    costs a third of one at each; what is written otherwise is looked at again."""
    amounts = [trade.price for trade in trades]
    amounts += [trade.quantity for trade in trades]
    text = ",".join(amounts)
    # An amount with a comma in it would pass for two.
    return text.count(",") == len(amounts) - 1 and _AMOUNTS.fullmatch(f"{text},") is not None


def _decode_other(payload: bytes) -> Frame:
    """Raises one of UNREADABLE."""
    try:
        fields = _decode_any(payload)
    except UNREADABLE:
        return Unknown("not JSON")
    if not isinstance(fields, dict):
        return Unknown("not an object")
    if "error" in fields or "code" in fields:
        return Reply(_id(fields), _error(fields))
    if "result" in fields:
        return Reply(_id(fields), None)
    inner = fields.get("data", fields)
    kind = inner.get("e") if isinstance(inner, dict) else None
    if kind == "serverShutdown":
        return Shutdown()
    if kind == "trade":
        try:
            trade = _decode_raw(msgspec.json.encode(inner))
        except UNREADABLE:
            return Unknown("broken trade")
        return trade if is_amount(trade.price) and is_amount(trade.quantity) else Unknown("trade without a price")
    stream = str(fields.get("stream", ""))
    return Unknown(str(kind)[:40] if kind else stream.partition("@")[2][:40] or "no event type")


def _id(fields: dict[str, Any]) -> int | str | None:
    value = fields.get("id")
    return value if isinstance(value, int | str) else None


def _error(fields: dict[str, Any]) -> str:
    error = fields.get("error", fields)
    return f"{error.get('code')} {error.get('msg')}" if isinstance(error, dict) else str(error)


class Oddities:
    """Counts the frames that nobody could use, and logs the first of each kind."""

    # Kinds come from outside: their number is bounded, the rest is counted together.
    KINDS_MAX = 50

    def __init__(self, source: str) -> None:
        self._source = source
        self.counts: Counter[str] = Counter()

    @property
    def total(self) -> int:
        return self.counts.total()

    def note(self, kind: str, payload: bytes) -> None:
        """Counts one frame."""
        if kind not in self.counts:
            if len(self.counts) >= self.KINDS_MAX:
                kind = "other"
            if kind not in self.counts:
                shown = payload[:SHOWN_CHARACTERS].decode(errors="replace")
                log.warning("frame_skipped source=%s kind=%r frame=%r", self._source, kind, shown)
        self.counts[kind] += 1

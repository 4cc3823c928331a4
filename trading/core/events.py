"""What can wake a trader."""

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from trading.core import old_names
from trading.core.journal import Cause, Source
from trading.core.money import plain
from trading.core.orders import OrderReport


@dataclass(frozen=True)
class TradeSeen:
    """A public trade whose price the trader waited for; where `trade_id` is 0, what the exchange said when asked.

    `age_s`: how long ago it was made, when the trader woke. `is_urgent`: even if the trader waits for its next try.
    """

    symbol: str
    trade_id: int
    price: Decimal
    at_ms: int
    age_s: float = 0.0
    is_urgent: bool = False

    @property
    def source(self) -> Source:
        return Source.TRADE

    def __str__(self) -> str:
        if not self.trade_id:
            return f"asked for the price: {plain(self.price)}"
        return f"trade {self.trade_id} at {plain(self.price)}"


@dataclass(frozen=True)
class OrderReported:
    """The exchange said something of one of the trader's orders. `was_asked`: the trader itself cancelled it.

    `replaced`: what the same answer says of the order whose place this one has taken.
    """

    report: OrderReport
    source: Source
    was_asked: bool = False
    replaced: OrderReport | None = None

    def __str__(self) -> str:
        report = self.report
        text = f"{report.side} {report.status}".replace("_", " ").lower()
        return f"{text}, {plain(report.executed)} of {plain(report.quantity)}" if report.executed else text


@dataclass(frozen=True)
class Recheck:
    """Somebody asks the trader to look again; it carries no price. `is_urgent`: even if it waits for its next try."""

    why: str
    is_urgent: bool = False
    source: Source = Source.LEADER

    def __str__(self) -> str:
        return self.why


@dataclass(frozen=True)
class BalanceSeen:
    """What the account has of what the trader sells, asked because the exchange says that it is not enough.

    `free` can be sold; `elsewhere` is locked by orders that are not ours. `is_certain`: the exchange has said so for
    a while.
    """

    asset: str
    free: Decimal
    elsewhere: Decimal
    is_certain: bool

    @property
    def source(self) -> Source:
        return Source.QUERY

    def __str__(self) -> str:
        return f"{plain(self.free)} {self.asset} free"


Event = TradeSeen | OrderReported | BalanceSeen | Recheck


def cause_of(event: Event, task_id: str) -> Cause:
    """How the journal names an event."""
    trade_id = event.trade_id if isinstance(event, TradeSeen) else 0
    return Cause(event.source, str(event), task_id, trade_id or None)


if not TYPE_CHECKING:  # A type checker should miss the old names.
    __getattr__ = old_names.of(__name__, {"Nudged": "Recheck"})

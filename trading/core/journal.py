"""The facts of a journal's line: what happened, and what woke the trader. Words for people stand beside them."""

from dataclasses import dataclass
from enum import StrEnum

from trading.core.denials import Check, Rule


class Kind(StrEnum):
    """What a line tells."""

    BEGAN = "BEGAN"  # The trader began.
    ORDERED = "ORDERED"  # It saved an order, which goes out next.
    BOOKED = "BOOKED"  # It learned something new of its order.
    ADOPTED = "ADOPTED"  # It got an order that only the exchange knew.
    CANCELLED = "CANCELLED"  # It wants its order cancelled.
    MADE_WAY = "MADE_WAY"  # Its buy is cancelled so that another trader can exit.
    WAITED = "WAITED"  # It can do nothing now, and looks again soon.
    PAUSED = "PAUSED"  # Its order ended by itself: it places another one after a pause.
    DENIED = "DENIED"  # The gate denied its order.
    REJECTED = "REJECTED"  # The exchange rejected its order.
    NOT_PLACED = "NOT_PLACED"  # Its order never reached the exchange.
    UNCLEAR = "UNCLEAR"  # No answer came: whether its order was placed has to be asked.
    NOT_BOOKED = "NOT_BOOKED"  # A report could not be booked: the exchange is asked instead.
    FAILED = "FAILED"  # Its task or its strategy failed.
    SLOT_REQUESTED = "SLOT_REQUESTED"  # It asked for another trader beside it.
    SLOT_OPENED = "SLOT_OPENED"  # It got one.
    MISSING = "MISSING"  # The account has less than it bought.
    VALUED = "VALUED"  # The value of its commissions is known now.
    UNVALUABLE = "UNVALUABLE"  # No price tells the value of its commissions.
    UNVALUED = "UNVALUED"  # It goes on without that value, which is asked for later.
    RECOUNTED = "RECOUNTED"  # Its profit changed after its end.
    ENDED = "ENDED"  # Its cycle is over.
    RETIRED = "RETIRED"  # It ended before it ordered anything: its slot is closed.
    ABANDONED = "ABANDONED"  # A person gave it up.
    BY_HAND = "BY_HAND"  # A person told it to do something, or that is done.
    LET_GO = "LET_GO"  # Another installation has its order now.
    NOTED = "NOTED"  # Anything else; its words tell.


class Source(StrEnum):
    """What woke the trader, or who wrote the line."""

    TRADE = "TRADE"  # A price.
    REPORT = "REPORT"  # An execution report.
    ANSWER = "ANSWER"  # The exchange's answer to a new order, or to a question that came with it.
    QUERY = "QUERY"  # The exchange's answer to a question.
    CANCEL = "CANCEL"  # The exchange's answer to a cancel.
    RECONCILIATION = "RECONCILIATION"  # The comparison of the books.
    LEADER = "LEADER"
    PERSON = "PERSON"  # Somebody in the admin or in a terminal.
    TRADER = "TRADER"  # Another trader of the symbol.
    TASK = "TASK"  # The trader's own task, which failed or went on by itself.


@dataclass(frozen=True)
class Cause:
    """Why a line was written. `text` says what the source alone does not; empty where it says all.

    `trade_id`: the public trade that woke the trader.
    """

    source: Source
    text: str = ""
    task_id: str = ""
    trade_id: int | None = None


@dataclass(frozen=True)
class Note:
    """A line that is to be written. `order`: the order's client order id; `by`: what denied it.

    `is_once`: not where the last line says the same, whatever figures are in it.
    """

    kind: Kind
    text: str
    reason: str = ""
    order: str = ""
    by: Check | Rule | None = None
    is_once: bool = False

"""What may become of an order that the exchange shows and the database lacks, by its name and its time."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto

from hedgehog_project.venues import Venue
from trading.core.orders import OrderReport
from trading.exchange import order_ids
from trading.identity import copies
from trading.identity.names import Names
from trading.identity.runs import MARGIN, Runs, When, by_our_clock


class Whose(Enum):
    """By whom an order was placed that the database lacks."""

    OURS = auto()  # Placed by this database before a backup of it was restored: its trader may claim it.
    UNSURE = auto()  # Perhaps ours: a person says what becomes of it.
    COPY = auto()  # Placed by a copy of this installation.
    STRANGER = auto()  # Placed by another installation.
    NOBODY = auto()  # Placed by no Hedgehog.


@dataclass(frozen=True)
class Verdict:
    whose: Whose
    why: str = ""  # it is not to be claimed, in words for people


_NOBODYS, _OURS = Verdict(Whose.NOBODY), Verdict(Whose.OURS)


@dataclass(frozen=True)
class Judge:
    """For one comparison of the books, as things stood when it began."""

    venue: Venue
    names: Names
    runs: Runs
    is_copied: bool

    @classmethod
    def at(cls, venue: Venue, now: datetime) -> "Judge":
        names = Names.now()
        return cls(venue, names, Runs.at(now), copies.copy_at(venue) is not None)

    def placed_at(self, report: OrderReport) -> datetime | None:
        """By our clock; None where the exchange does not tell."""
        return by_our_clock(self.venue, report.placed_ms)

    def verdict(self, report: OrderReport) -> Verdict:
        """Of an order that no row knows."""
        name = order_ids.read(report.client_order_id)
        if name is None:
            return _NOBODYS
        if name.identity == "":
            return Verdict(Whose.UNSURE, "its client order id names no installation: it may belong to another one")
        placed_at = self.placed_at(report)
        if name.identity == self.names.own:
            return self._own(placed_at)
        taken_over_at = self.names.took_over_at(name.identity)
        if taken_over_at is None or (placed_at and placed_at > taken_over_at + MARGIN):
            return Verdict(Whose.STRANGER)
        return Verdict(Whose.UNSURE, f"it belongs to the installation {name.identity}, which this one took over")

    def _own(self, placed_at: datetime | None) -> Verdict:
        match self.runs.when(placed_at):
            case When.RUNNING:
                return Verdict(Whose.COPY, "a copy of this installation placed it while this one ran")
            case When.UNSURE:
                return Verdict(Whose.UNSURE, "it was placed about when this installation started or stopped")
        if self.is_copied:
            return Verdict(Whose.UNSURE, "a copy of this installation is running and may have placed it")
        return _OURS

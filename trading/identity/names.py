"""The identities that count as ours, and the names of new orders."""

from dataclasses import dataclass
from datetime import datetime

from trading.core.orders import Side
from trading.exchange import order_ids
from trading.models import Installation, OtherInstallation, Trader


def new_client_order_id(trader: Trader, side: Side) -> str:
    identity = trader.claimed.identity if trader.claimed else ""
    return order_ids.new_client_order_id(identity or Installation.own().identity, trader.pk, side)


@dataclass(frozen=True)
class Names:
    """A look at the database: `own` is empty where nothing was ever placed.

    `taken_over`: identities whose orders of before that moment a person has made ours.
    """

    own: str = ""
    taken_over: tuple[tuple[str, datetime], ...] = ()

    @classmethod
    def now(cls) -> "Names":
        """Raises Django's database errors."""
        rows = OtherInstallation.objects.filter(taken_over_at__isnull=False).order_by()
        taken = tuple((row.identity, row.taken_over_at) for row in rows if row.taken_over_at)
        return cls(Installation.identity_if_any(), taken)

    def is_ours(self, client_order_id: str) -> bool:
        """Whether a row of ours may have this name. One that is older than identities may as well be a stranger's."""
        name = order_ids.read(client_order_id)
        return name is not None and (name.identity in ("", self.own) or self.took_over_at(name.identity) is not None)

    def stranger(self, client_order_id: str) -> str:
        """The identity of the other installation that placed it; empty where none did."""
        name = order_ids.read(client_order_id)
        return "" if name is None or self.is_ours(client_order_id) else name.identity

    def took_over_at(self, identity: str) -> datetime | None:
        return max((at for taken, at in self.taken_over if taken == identity), default=None)

"""How a cycle ends: what it brought, what it leaves, and what a late report still changes there."""

from dataclasses import dataclass, replace
from decimal import Decimal

from trading.core.decisions import Finish
from trading.core.journal import Kind, Note
from trading.core.money import plain
from trading.core.orders import UNVALUED, Side, unvalued
from trading.core.position import LEAVES_TO_THE_NEXT, Position, TraderState

Assets = tuple[str, str]  # base and quote


@dataclass(frozen=True)
class End:
    """`profit`, `fees` and `leftover_cost` in quote, `leftover` in base. `held_s`: None where it bought nothing.

    `has_unvalued_fees`: it paid commissions of unknown value, which its profit leaves out.
    """

    state: TraderState
    at_ms: int
    profit: Decimal
    leftover: Decimal
    leftover_cost: Decimal
    has_unvalued_fees: bool
    fees: Decimal
    held_s: int | None

    @property
    def leaves_to_the_next(self) -> bool:
        """Whether what is left over belongs to the symbol's next sale, and not to a person."""
        return self.state in LEAVES_TO_THE_NEXT


def end(decision: Finish, position: Position, assets: Assets, now_ms: int) -> End:
    base, _ = assets
    return End(
        decision.state,
        now_ms,
        decision.profit,
        decision.leftover,
        position.cost_of_owned(base),
        bool(unvalued(position.orders, assets)),
        position.fees_in_quote(*assets),
        _held_s(position, now_ms),
    )


def recount(before: End, position: Position, assets: Assets) -> tuple[End, Note | None]:
    """What comes to light after a cycle's end still counts: in its profit, and in what is left on the account."""
    base, quote = assets
    held_s = _held_s(position, before.at_ms)
    after = replace(
        before,
        profit=position.profit(base, quote),
        leftover=position.owned(base),
        leftover_cost=position.cost_of_owned(base),
        has_unvalued_fees=bool(unvalued(position.orders, assets)),
        fees=position.fees_in_quote(base, quote),
        held_s=before.held_s if held_s is None else held_s,
    )
    if _counted(after) == _counted(before):
        return after, None
    unknown = f" {UNVALUED}" if after.has_unvalued_fees else ""
    reason = f"profit {plain(after.profit)} {quote}{unknown}; {plain(after.leftover)} {base} stays in the account"
    return after, Note(Kind.RECOUNTED, "profit recalculated", reason)


def _counted(end: End) -> tuple[Decimal, Decimal, bool]:
    return end.profit, end.leftover, end.has_unvalued_fees


def _held_s(position: Position, ended_ms: int) -> int | None:
    """From its first fill to its end."""
    bought_ms = min((fill.at_ms for order in position.of(Side.BUY) for fill in order.fills), default=None)
    return None if bought_ms is None else max(0, round(ended_ms / 1000 - bought_ms / 1000))

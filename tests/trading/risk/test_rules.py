"""The risk limits' arithmetic, over figures in memory: no database is needed to say what they deny."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal as D

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading.core.denials import Check, Denial, Rule
from trading.core.filters import SymbolFilters
from trading.core.money import EXACT, QUOTE_UNIT
from trading.core.orders import Side
from trading.risk import rules
from trading.risk.rules import AccountLimits, Binding, Buy, Gain, Marks, Met, SymbolLimits

NOON_MS = 1_800_014_400_000
BUY = Buy("ETHUSDT", "USDT", "mock", D(100), NOON_MS)
FILTERS = SymbolFilters("ETHUSDT", "ETH", "USDT", D("0.01"), D("0.0001"), max_orders=3)
UNIT = 10**8


@dataclass
class Memory(rules.Figures):
    of_symbol: SymbolLimits | None = None
    of_account: AccountLimits | None = None
    gap: bool = False
    age_s: float | None = 1.0
    results: Sequence[tuple[int, D]] = ()
    gain: Gain = field(default_factory=Gain)
    orders: int = 0
    binds: D = D(0)
    sent_ms: Sequence[int] = ()
    balance: D | None = D(1_000)
    meets: Sequence[Met] = ()

    def symbol_limits(self) -> SymbolLimits | None:
        return self.of_symbol

    def account_limits(self) -> AccountLimits | None:
        return self.of_account

    def has_gap(self) -> bool:
        return self.gap

    def price_age_s(self) -> float | None:
        return self.age_s

    def last_results(self, count: int) -> Sequence[tuple[int, D]]:
        return self.results[:count]

    def gain_since(self, since_ms: int) -> Gain:
        return self.gain

    def open_orders(self) -> int:
        return self.orders

    def bound(self, quote_asset: str = "") -> D:
        return self.binds

    def nth_last_sent_ms(self, nth: int, since_ms: int) -> int | None:
        since = sorted((at for at in self.sent_ms if at > since_ms), reverse=True)
        return since[nth - 1] if len(since) >= nth else None

    def sent_since(self, since_ms: int) -> int:
        return sum(at > since_ms for at in self.sent_ms)

    def free(self, asset: str) -> D | None:
        return self.balance

    def resting(self) -> int:
        return self.orders

    def met_by(self, side: Side, price: D) -> Sequence[Met]:
        return self.meets


def denied(figures: Memory, buy: Buy = BUY) -> Denial | None:
    return rules.denial(buy, figures.of_symbol, figures.of_account, figures)


LOST = [(NOON_MS - 60_000, D(-1)), (NOON_MS - 90_000, D(-2))]
LATELY = [(NOON_MS - 50_000, D(-1))] * 2


@pytest.mark.parametrize(
    ("figures", "by", "wait_s"),
    [
        (Memory(SymbolLimits(deny_in_gaps=True), gap=True), Rule.DATA_GAP, 3),
        (Memory(SymbolLimits(max_price_age_s=5), age_s=5.1), Rule.STALE_PRICE, 3),
        (Memory(SymbolLimits(max_price_age_s=5), age_s=None), Rule.STALE_PRICE, 3),
        (Memory(SymbolLimits(max_consecutive_losses=2), results=LOST), Rule.CONSECUTIVE_LOSSES, 60),
        (
            Memory(
                SymbolLimits(max_consecutive_losses=2, cooldown_minutes=1), results=[(NOON_MS - 50_000, D(-1))] * 2
            ),
            Rule.CONSECUTIVE_LOSSES,
            10,
        ),
        (Memory(SymbolLimits(max_daily_loss=D(5)), gain=Gain(D(-5))), Rule.DAILY_LOSS, 60),
        (Memory(SymbolLimits(max_open_orders=2), orders=2), Rule.OPEN_ORDERS, 10),
        (Memory(SymbolLimits(max_exposure=D(150)), binds=D("50.01")), Rule.SYMBOL_EXPOSURE, 10),
        (Memory(None, AccountLimits(max_orders_per_minute=5), sent_ms=[NOON_MS - 59_000] * 4), Rule.ORDER_RATE, 1),
        (Memory(None, AccountLimits(max_exposure=D(150)), binds=D("50.01")), Rule.ACCOUNT_EXPOSURE, 10),
        (Memory(None, AccountLimits(quote_reserve=D("900.01"))), Rule.RESERVE, 10),
        (Memory(None, AccountLimits(bnb_reserve=D(1)), balance=None), Rule.RESERVE, 10),
    ],
)
def test_each_limit_denies_by_its_figures(figures: Memory, by: Rule, wait_s: int) -> None:
    denial = denied(figures)
    assert denial is not None
    assert (denial.by, denial.wait) == (by, timedelta(seconds=wait_s))


@pytest.mark.parametrize(
    "figures",
    [
        Memory(),
        Memory(SymbolLimits(deny_in_gaps=True, max_price_age_s=5)),
        Memory(SymbolLimits(max_consecutive_losses=3), results=LOST),
        Memory(SymbolLimits(max_consecutive_losses=2, cooldown_minutes=1), results=LOST),
        Memory(SymbolLimits(max_daily_loss=D(5)), gain=Gain(D("-4.99"))),
        Memory(SymbolLimits(max_open_orders=2), orders=1),
        Memory(SymbolLimits(max_exposure=D(150)), binds=D(50)),
        Memory(None, AccountLimits(max_orders_per_minute=5), sent_ms=[NOON_MS - 59_000] * 3),
        Memory(None, AccountLimits("EUR", max_exposure=D(1)), binds=D(50)),
        Memory(None, AccountLimits(quote_reserve=D(900))),
    ],
)
def test_within_its_limits_a_buy_passes(figures: Memory) -> None:
    assert denied(figures) is None


def test_what_the_exchange_would_not_take() -> None:
    meets = (Met(7, 2, Side.SELL, D(99)), Met(8, 3, Side.SELL, D(100)))
    found = rules.at_the_exchange(Side.BUY, D(100), FILTERS, "mock", Memory(meets=meets))
    assert found is not None
    assert (found.by, found.in_the_way) == (Check.SELF_TRADE, (7, 8))
    found = rules.at_the_exchange(Side.BUY, D(100), FILTERS, "mock", Memory(orders=3))
    assert found is not None
    assert found.by == Check.FULL_BOOK
    assert rules.at_the_exchange(Side.SELL, D(100), FILTERS, "mock", Memory(orders=3)) is None


AMOUNT = st.integers(0, 10**13)


@given(AMOUNT, AMOUNT, st.integers(1, 10**13), AMOUNT)
def test_what_is_bound_is_never_less_than_what_it_costs(price: int, executed: int, quantity: int, sold: int) -> None:
    executed, sold = min(executed, quantity), min(sold, executed, quantity)
    orders = [Binding(1, Side.BUY, True, price, quantity, executed), Binding(1, Side.SELL, False, price, sold, sold)]
    exact = EXACT.multiply(D(price * (quantity - sold)), D(1).scaleb(-16))
    assert 0 <= exact - rules.bound(orders) < QUOTE_UNIT
    assert rules.bound([], D("1.5")) == D("1.5")


def test_sizes_split_what_there_is() -> None:
    assert rules.fixed_size(D(100), 3, "USDT").budget == D("33.33333333")
    assert rules.fixed_size(D(100), 2, "USDT", Gain(D(-20))).budget == D(40)
    assert rules.fixed_size(D(100), 2, "USDT", Gain(D(-100))).budget is None
    assert rules.share_size(D("0.5"), 2, "USDT", D(300), D(100), D(200)).budget == D(100)


GAINS = st.lists(st.decimals(-1_000, 1_000, places=2), min_size=1, max_size=30)


@given(GAINS, st.booleans())
def test_a_high_never_falls_and_one_look_alone_moves_nothing(gains: list[D], of_day: bool) -> None:
    marks = Marks.begin(D(0), NOON_MS)
    for n, gain in enumerate(gains, 1):
        after = rules.look(marks, gain, D(10_000), NOON_MS + 5_000 * n, of_day=of_day, is_active=True)
        assert after.high == max(marks.high, min(gain, marks.gain))
        assert 0 <= after.drawdown <= 1
        if min(gain, marks.gain) >= after.high:
            assert after.drawdown == 0
        marks = after
    assert rules.is_too_much(marks.drawdown, marks.drawdown)
    assert not rules.is_too_much(marks.drawdown, None)


def test_a_day_begins_with_a_high_of_its_own_and_a_resume_does_too() -> None:
    day_ms = 86_400_000
    marks = replace(Marks.begin(D(100), NOON_MS), has_tripped=True)
    kept = rules.look(marks, D(20), D(1_000), NOON_MS + 5_000, of_day=False, is_active=False)
    assert kept.has_tripped
    assert kept.high == 100
    resumed = rules.look(kept, D(20), D(1_000), NOON_MS + 10_000, of_day=False, is_active=True)
    assert not resumed.has_tripped
    assert (resumed.high, resumed.drawdown) == (D(20), D(0))
    tomorrow = rules.look(kept, D(30), D(1_000), NOON_MS + day_ms, of_day=True, is_active=False)
    assert (tomorrow.high, tomorrow.day_high) == (D(100), D(20))

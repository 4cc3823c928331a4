"""What a new trader gets: its part of the budget or of the balance, with or without what was earned so far."""

from datetime import timedelta
from decimal import Decimal as D

import pytest
from django.utils import timezone

from console import why
from hedgehog_project.venues import Venue
from tests.support.limited import keep_balances, limit_account
from tests.support.rows import make_cycle, make_order, make_trader
from tests.trading.conftest import make_symbol
from trading import leader
from trading.models import JournalEntry, Symbol, Trader, TradingSettings
from trading.models.symbols import Sizing
from trading.risk import sizing

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.databases]


def size(symbol: Symbol, **values: object) -> sizing.Size:
    TradingSettings.objects.filter(symbol=symbol).update(**values)
    return sizing.next_size(TradingSettings.objects.select_related("symbol").get(symbol=symbol), Venue.MOCK)


def test_a_fixed_budget_is_shared_by_the_slots(symbol: Symbol) -> None:
    made = size(symbol, budget=D(100), max_slots=3)
    assert (made.budget, made.text) == (D("33.33333333"), "the budget of 100 USDT, split into 3 slots")


def test_profits_are_left_alone_unless_they_compound(symbol: Symbol) -> None:
    make_cycle(symbol, "30")
    make_cycle(symbol, "-6")
    make_cycle(symbol, "1000", venue=Venue.TESTNET)
    make_cycle(make_symbol("XRPUSDT"), "500")
    assert size(symbol, budget=D(100), max_slots=2).budget == D(50)
    made = size(symbol, compounds=True)
    assert (made.budget, made.text) == (
        D(62),
        "the budget of 100 USDT plus the profit of 24 USDT so far, split into 2 slots",
    )


def test_losses_compound_as_well_until_nothing_is_left(symbol: Symbol) -> None:
    make_cycle(symbol, "-40")
    made = size(symbol, budget=D(100), max_slots=2, compounds=True)
    assert (made.budget, made.text) == (
        D(30),
        "the budget of 100 USDT less the loss of 40 USDT so far, split into 2 slots",
    )
    make_cycle(symbol, "-60")
    made = size(symbol)
    assert made.budget is None
    assert made.text.startswith("no budget left: the budget of 100 USDT less the loss of 100 USDT")


def test_a_share_of_the_balance_gives_each_slot_the_same(symbol: Symbol) -> None:
    keep_balances("1000")
    first = size(symbol, sizing=Sizing.SHARE, balance_share=D("0.5"), max_slots=5)
    assert first.budget == D(100)
    assert first.text == "50 % of 1000 USDT free plus 0 in use, split into 5 slots"
    make_order(make_trader(symbol), price=D(1000), quantity=D("0.1"))
    second = size(symbol)
    assert second.budget == D(100)
    assert second.text == "50 % of 900 USDT free plus 100 in use, split into 5 slots"


def test_a_share_leaves_the_reserve_alone(symbol: Symbol) -> None:
    keep_balances("1000")
    limit_account(quote_reserve=D(400))
    made = size(symbol, sizing=Sizing.SHARE, balance_share=D(1), max_slots=3)
    assert made.budget == D(200)
    assert "1000 USDT free above the reserve of 400" in made.text
    limit_account(quote_reserve=D(2000))
    assert size(symbol).budget is None


def test_a_share_of_bnb_leaves_the_reserve_of_bnb_alone() -> None:
    symbol = make_symbol("ETHBNB")
    Symbol.objects.filter(pk=symbol.pk).update(base_asset="ETH", quote_asset="BNB")
    keep_balances("1000", bnb="5")
    limit_account(bnb_reserve=D(2), quote_reserve=D(400))
    assert size(symbol, sizing=Sizing.SHARE, balance_share=D(1), max_slots=3).budget == D(1)


def test_without_a_balance_that_is_known_there_is_no_trader_yet_and_the_venue_is_asked(
    symbol: Symbol, refreshed: list[str]
) -> None:
    keep_balances("1000", age=timedelta(minutes=10))
    made = size(symbol, sizing=Sizing.SHARE)
    assert made.budget is None
    assert made.text == "the free balance at mock is not known yet"
    assert refreshed == ["mock"]
    assert leader.fill_slots() == 0
    (slot,) = why.why(symbol, []).slots
    assert slot.text == f"free, but no trader can start: {made.text}"


def test_the_leader_gives_a_new_trader_its_size_for_its_one_cycle(symbol: Symbol) -> None:
    size(symbol, budget=D(100), max_slots=1, compounds=True)
    leader.fill_slots()
    trader = Trader.objects.get()
    assert trader.budget == D(100)
    assert JournalEntry.objects.get(trader=trader).reason == (
        "slot 1 is free; order size from the budget of 100 USDT, split into 1 slot"
    )
    make_cycle(symbol, "10", timezone.now())
    trader.refresh_from_db()
    assert trader.budget == D(100)
    Trader.objects.filter(pk=trader.pk).update(state="RETIRED", finished_at=timezone.now())
    leader.fill_slots()
    assert Trader.objects.get(finished_at=None).budget == D(110)

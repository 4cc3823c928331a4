"""Risk limits deny buys and never an exit; each rule has its words, its figures and its bounds."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal as D

import pytest
import redis
from django.utils import timezone

from hedgehog_project.venues import Venue, default_market
from streamer.topics import gap_key
from tests.support.limited import COST, ask, keep_balances, limit, limit_account, lose, see_trade
from tests.support.rows import make_cycle, make_fill, make_order, make_trader
from tests.trading.conftest import make_symbol
from trading.core.denials import Rule
from trading.core.events import TradeSeen
from trading.core.orders import OrderStatus, Side
from trading.models import (
    AccountProtections,
    Balance,
    DeniedOrder,
    Order,
    Symbol,
    Trader,
)
from trading.risk import balances, exposure, figures, protections

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.databases]

TRADE = TradeSeen("ETHUSDT", 1, D(3000), 0)


# --- what each rule says --------------------------------------------------------------------------
def three_orders(symbol: Symbol) -> None:
    for slot in (11, 12, 13):
        make_order(make_trader(symbol, slot))


Given = Callable[[Symbol, "redis.Redis"], object]
OF_SYMBOL: list[tuple[dict[str, object], Given, Rule, str, str]] = [
    (
        {"max_exposure": D(400)},
        lambda symbol, client: [make_order(make_trader(symbol, slot)) for slot in (11, 12)],
        Rule.SYMBOL_EXPOSURE,
        "max exposure of ETHUSDT, 400 USDT: 399.7998 in use, this buy needs 199.8999",
        "max exposure of ETHUSDT, 400 USDT",
    ),
    (
        {"max_open_orders": 3},
        lambda symbol, client: three_orders(symbol),
        Rule.OPEN_ORDERS,
        "max open orders of ETHUSDT, 3, reached: 3 open",
        "max open orders of ETHUSDT, 3, reached",
    ),
    (
        {"max_daily_loss": D(5)},
        lambda symbol, client: lose(symbol, "-4", "1", "-2.5"),
        Rule.DAILY_LOSS,
        "max daily loss of ETHUSDT reached, 5 USDT: 5.5 since midnight UTC",
        "max daily loss of ETHUSDT reached, 5 USDT",
    ),
    (
        {"max_price_age_s": 30},
        lambda symbol, client: see_trade(client, age_s=45.2),
        Rule.STALE_PRICE,
        "stale price: the last trade of ETHUSDT is 45 s old, max 30 s",
        "stale price: no trade of ETHUSDT for 30 s",
    ),
    (
        {"max_price_age_s": 30},
        lambda symbol, client: None,
        Rule.STALE_PRICE,
        "no trade of ETHUSDT yet",
        "stale price: no trade of ETHUSDT for 30 s",
    ),
    (
        {"deny_in_gaps": True},
        lambda symbol, client: client.set(gap_key(default_market(), "ETHUSDT"), "5-7"),
        Rule.DATA_GAP,
        "data gap: missing trades of ETHUSDT are being fetched",
        "data gap: missing trades of ETHUSDT are being fetched",
    ),
]
OF_ACCOUNT: list[tuple[dict[str, object], Given, Rule, str, str]] = [
    (
        {"max_exposure": D(500)},
        lambda symbol, client: [make_order(make_trader(symbol, slot)) for slot in (11, 12)],
        Rule.ACCOUNT_EXPOSURE,
        "max account exposure at mock, 500 USDT: 399.7998 in use, this buy needs 199.8999",
        "max account exposure at mock, 500 USDT",
    ),
    (
        {"quote_reserve": D(850)},
        lambda symbol, client: keep_balances("1000"),
        Rule.RESERVE,
        "reserve of 850 USDT at mock: 1000 free, this buy needs 199.8999",
        "reserve of 850 USDT at mock",
    ),
    (
        {"quote_reserve": D(850)},
        lambda symbol, client: None,
        Rule.RESERVE,
        "reserve of 850 USDT at mock; the free balance is not known yet",
        "reserve of 850 USDT at mock",
    ),
    (
        {"bnb_reserve": D("0.5")},
        lambda symbol, client: keep_balances(bnb="0.4"),
        Rule.RESERVE,
        "reserve of 0.5 BNB at mock: 0.4 free",
        "reserve of 0.5 BNB at mock",
    ),
    (
        {"max_orders_per_minute": 4},
        lambda symbol, client: three_orders(symbol),
        Rule.ORDER_RATE,
        "max 4 orders per minute at mock, one fifth reserved for exits: 3 sent in the last minute",
        "max 4 orders per minute at mock",
    ),
]


@pytest.mark.parametrize(
    ("is_of_account", "limits", "given", "rule", "reason", "topic"),
    [
        pytest.param(is_of_account, *case, id=case[3][:60])
        for is_of_account, cases in ((False, OF_SYMBOL), (True, OF_ACCOUNT))
        for case in cases
    ],
)
def test_each_rule_holds_a_buy_back_in_its_own_words_and_lets_exits_pass(
    trader: Trader,
    redis_client: "redis.Redis",
    is_of_account: bool,
    limits: dict[str, object],
    given: Given,
    rule: Rule,
    reason: str,
    topic: str,
) -> None:
    given(trader.symbol, redis_client)
    if is_of_account:
        limit_account(**limits)
    else:
        limit(trader.symbol, **limits)
    denial = ask(trader)
    assert denial is not None
    assert (denial.reason, denial.topic) == (reason, topic)
    assert timedelta(0) < denial.wait <= timedelta(seconds=60)
    assert DeniedOrder.objects.get().rule == rule
    assert ask(trader, Side.SELL) is None


@pytest.mark.parametrize(
    "limits",
    [
        {"max_exposure": D(400)},
        {"max_open_orders": 2},
        {"max_daily_loss": D(5)},
        {"max_consecutive_losses": 2},
        {"max_price_age_s": 30},
        {"deny_in_gaps": True},
    ],
    ids=str,
)
def test_a_buy_with_room_left_passes_a_symbols_limit(
    trader: Trader, redis_client: "redis.Redis", limits: dict[str, object]
) -> None:
    make_order(make_trader(trader.symbol, 11))
    lose(trader.symbol, "-4", "0")
    see_trade(redis_client)
    limit(trader.symbol, **limits)
    assert ask(trader) is None


@pytest.mark.parametrize(
    "limits",
    [
        {"max_exposure": D("399.7998")},
        {"quote_reserve": D("600.2002")},
        {"bnb_reserve": D(1)},
        {"max_orders_per_minute": 3},
    ],
    ids=str,
)
def test_a_buy_with_just_enough_room_passes_an_accounts_limit(trader: Trader, limits: dict[str, object]) -> None:
    keep_balances("1000")
    make_order(make_trader(trader.symbol, 11))
    limit_account(**limits)
    assert ask(trader) is None


def test_a_venues_limits_are_not_another_ones(trader: Trader) -> None:
    limit_account(Venue.TESTNET, max_exposure=D(1))
    make_order(make_trader(trader.symbol, 11, Venue.TESTNET))
    assert ask(trader) is None


# --- what the figures mean ------------------------------------------------------------------------
def test_what_is_bound_is_open_buys_and_what_is_held_at_its_cost(symbol: Symbol) -> None:
    holder, part, seller, done = (make_trader(symbol, slot) for slot in (1, 2, 3, 4))
    make_fill(make_order(holder, price=D(100), quantity=D(2)))
    # Half of it has executed, and half of it is open: both bind.
    make_order(part, status=OrderStatus.PARTIALLY_FILLED, price=D(10), quantity=D(4), executed=D(2))
    # A quarter of it is sold.
    make_fill(make_order(seller, price=D(50), quantity=D(4)))
    make_order(seller, Side.SELL, OrderStatus.PARTIALLY_FILLED, price=D(60), quantity=D(4), executed=D(1))
    # Cancelled without a fill, refused, ended: nothing.
    make_order(done, status=OrderStatus.CANCELED, price=D(1000), quantity=D(1))
    make_cycle(symbol, "1")
    assert exposure.bound(Venue.MOCK, symbol_id=symbol.pk) == D(200) + D(40) + D(150)
    assert exposure.bound(Venue.MOCK, quote_asset="USDT") == D(390)
    assert exposure.bound(Venue.MOCK, quote_asset="BTC") == 0
    assert exposure.bound(Venue.TESTNET, symbol_id=symbol.pk) == 0


def test_exposure_adds_up_symbols_and_leaves_other_quotes_out(trader: Trader) -> None:
    other = make_symbol("XRPUSDT")
    make_order(make_trader(other, 11))
    limit_account(max_exposure=D(300))
    denial = ask(trader)
    assert denial is not None and "199.8999 in use" in denial.reason
    AccountProtections.objects.update(quote_asset="BTC")
    protections.forget()
    assert ask(trader) is None


def test_consecutive_losses_pause_the_symbol_for_so_long_and_no_longer(trader: Trader) -> None:
    limit(trader.symbol, max_consecutive_losses=2, cooldown_minutes=30)
    lose(trader.symbol, "-1", "3", "-1", ago=timedelta(minutes=10))
    assert ask(trader) is None, "a profit lies between them"
    lose(trader.symbol, "-1", ago=timedelta(minutes=5))
    until = Trader.objects.filter(profit=D(-1)).latest("finished_at").finished_at
    assert until is not None
    denial = ask(trader)
    assert denial is not None
    assert denial.reason == (
        "the last 2 cycles of ETHUSDT ended at a loss: buys paused until "
        f"{until + timedelta(minutes=30):%d %b %H:%M:%S} UTC"
    )
    Trader.objects.filter(profit=D(-1)).update(finished_at=timezone.now() - timedelta(minutes=31))
    assert ask(trader) is None


def test_a_days_loss_is_forgotten_at_midnight_utc(trader: Trader) -> None:
    limit(trader.symbol, max_daily_loss=D(5))
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    make_cycle(trader.symbol, "-50", midnight - timedelta(seconds=1))
    make_cycle(trader.symbol, "-4.9", midnight)
    assert ask(trader) is None
    make_cycle(trader.symbol, "-0.1", midnight)
    assert ask(trader) is not None


def test_a_minute_is_over_after_a_minute(trader: Trader) -> None:
    limit_account(max_orders_per_minute=4)
    three_orders(trader.symbol)
    oldest = Order.objects.order_by("id").first()
    assert oldest is not None
    Order.objects.filter(pk=oldest.pk).update(submitted_at=timezone.now() - timedelta(seconds=50))
    denial = ask(trader)
    assert denial is not None and timedelta(seconds=8) < denial.wait <= timedelta(seconds=10)
    Order.objects.filter(pk=oldest.pk).update(submitted_at=timezone.now() - timedelta(seconds=61))
    assert ask(trader) is None


def test_buys_since_the_balance_was_told_lessen_what_is_free(trader: Trader) -> None:
    keep_balances("1000", age=timedelta(seconds=30))
    order = make_order(make_trader(trader.symbol, 11))
    assert balances.free_of(Venue.MOCK, "USDT", timezone.now()).amount == D(1000) - COST
    make_order(make_trader(trader.symbol, 12), status=OrderStatus.REJECTED)
    make_order(make_trader(trader.symbol, 13), Side.SELL)
    assert balances.free_of(Venue.MOCK, "USDT", timezone.now()).amount == D(1000) - COST
    Order.objects.filter(pk=order.pk).update(submitted_at=timezone.now() - timedelta(seconds=36))
    assert balances.free_of(Venue.MOCK, "USDT", timezone.now()).amount == D(1000), "the venue has counted it"


def test_what_was_bought_and_sold_again_since_the_balance_was_told_is_free_but_no_profit_is(trader: Trader) -> None:
    """A lively minute spends the balance many times over, and earns it back."""
    symbol, ended = trader.symbol, timezone.now()

    def free() -> D | None:
        return balances.free_of(Venue.MOCK, "USDT", timezone.now()).amount

    keep_balances("1000", age=timedelta(seconds=30))
    for n in range(8):
        done = make_trader(symbol, 20, state="FINISHED", finished_at=ended, profit=D(1))
        make_fill(make_order(done), trade_id=2 * n)
        make_fill(make_order(done, Side.SELL, price=D(3010)), trade_id=2 * n + 1)
    assert free() == D(1000)
    at_a_loss = make_trader(symbol, 20, state="FINISHED", finished_at=ended, profit=D(-5))
    make_fill(make_order(at_a_loss, price=D(100), quantity=D(1)), trade_id=50)
    fill = make_fill(make_order(at_a_loss, Side.SELL, price=D(90), quantity=D(1)), trade_id=51)
    fee = fill.commission if fill.commission_asset == "USDT" else D(0)
    assert free() == D(990) - fee
    assert Order.objects.filter(trader=at_a_loss, side=Side.BUY).update(submitted_at=ended - timedelta(minutes=5))
    assert free() == D(1000), "of what was bought before, the venue had counted the buy; the sale may come twice"
    make_order(at_a_loss, price=D(100), quantity=D(2))
    assert free() == D(800), "nor does that sale pay for another buy"
    make_order(make_trader(symbol, 21), status=OrderStatus.CANCELED, price=D(100), quantity=D(4), executed=D(1))
    assert free() == D(700), "a buy that was cancelled has spent what it bought"


def test_a_balance_that_is_too_old_is_not_trusted_and_is_asked_for(trader: Trader, refreshed: list[str]) -> None:
    keep_balances("1000", age=balances.MAX_AGE + timedelta(seconds=1))
    limit_account(quote_reserve=D(1))
    denial = ask(trader)
    assert denial is not None and "not known" in denial.reason
    assert refreshed == ["mock"]
    keep_balances("1000")
    assert ask(trader) is None


def test_an_asset_that_the_venue_does_not_name_is_not_there(trader: Trader) -> None:
    keep_balances("1000")
    balances.keep(Venue.MOCK, {"BTC": (D(1), D(0))}, timezone.now())
    assert Balance.objects.get(asset="USDT").free == 0
    assert balances.free_of(Venue.MOCK, "EUR", timezone.now()).amount == 0


def test_without_redis_a_feed_that_is_to_be_heeded_counts_as_gone(
    trader: Trader, monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody = redis.Redis(port=1, socket_connect_timeout=0.1)
    monkeypatch.setattr(figures, "_reader", lambda url: nobody)
    limit(trader.symbol, deny_in_gaps=True)
    denial = ask(trader)
    assert denial is not None and denial.reason == "prices of ETHUSDT are unknown: Redis does not answer"

"""One of several that fails keeps none of the others from their turn: venues, symbols, the leader's duties."""

from datetime import timedelta
from decimal import Decimal as D

import pytest
import redis
from celery import current_app
from django.utils import timezone

from hedgehog_project.venues import Venue
from tests.support.exchanges.scripted_exchange import ScriptedExchange
from tests.support.rows import make_order, make_trader
from tests.trading.conftest import make_symbol
from trading import leader, tasks
from trading.books import equity
from trading.core.fees import Fees
from trading.core.orders import OrderStatus
from trading.exchange.errors import NotSent, Refused
from trading.models import AccountProtections, HighWater, Listing, Symbol, Trader
from trading.one_by_one import each
from trading.risk import drawdown
from trading.symbols import sync

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.databases]


class BrokenError(Exception):
    pass


def test_first_error_is_raised_once_all_had_their_turn() -> None:
    done: list[int] = []

    def do(number: int) -> None:
        done.append(number)
        if number % 2:
            raise BrokenError(str(number))

    with pytest.raises(BrokenError, match="1"):
        each(range(5), do)
    assert done == [0, 1, 2, 3, 4]


@pytest.fixture
def two_venues(trader: Trader) -> None:
    make_trader(trader.symbol, venue=Venue.TESTNET)


@pytest.mark.usefixtures("two_venues")
def test_venue_whose_books_can_not_be_compared_keeps_no_other_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[Venue] = []

    def compare(venue: Venue, task_id: str) -> bool:
        compared.append(venue)
        raise BrokenError

    monkeypatch.setattr(tasks, "_reconcile", compare)
    with pytest.raises(BrokenError):
        tasks.reconcile_all()
    assert compared == [Venue.MOCK, Venue.TESTNET]


@pytest.mark.usefixtures("two_venues")
def test_venue_whose_equity_can_not_be_told_keeps_no_other_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Venue] = []

    def standing(venue: Venue) -> dict[str, object]:
        told.append(venue)
        raise BrokenError

    monkeypatch.setattr(equity, "standing", standing)
    with pytest.raises(BrokenError):
        tasks.record_equity()
    assert told == [Venue.MOCK, Venue.TESTNET]


@pytest.mark.usefixtures("two_venues")
def test_venue_whose_drawdown_can_not_be_told_keeps_no_other_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for venue in (Venue.MOCK, Venue.TESTNET):
        AccountProtections.objects.create(venue=venue, max_drawdown=D("0.1"))
    standing = drawdown.standing

    def broken_at_the_first(venue: Venue) -> dict[str, equity.Standing]:
        if venue == Venue.MOCK:
            raise BrokenError
        return standing(venue)

    monkeypatch.setattr(drawdown, "standing", broken_at_the_first)
    with pytest.raises(BrokenError):
        drawdown.watch(timezone.now())
    assert HighWater.objects.get().venue == Venue.TESTNET


def test_duty_of_the_leader_that_fails_keeps_unclear_orders_from_nothing(
    trader: Trader, redis_client: "redis.Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    order = make_order(trader, status=OrderStatus.SUBMITTING)
    queued: list[tuple[str, object]] = []
    monkeypatch.setattr(
        current_app, "send_task", lambda task, kwargs, **_: queued.append((task, kwargs.get("order")))
    )

    def broken(*_: object) -> None:
        raise BrokenError

    for duty in ("fill_slots", "ask_about_passed_orders"):
        monkeypatch.setattr(leader, duty, broken)
    monkeypatch.setattr(drawdown, "watch", broken)
    with pytest.raises(BrokenError):
        leader.lead(timezone.now() + timedelta(seconds=5))
    assert ("trading.tasks.ask", order.pk) in queued


class TestFees:
    @pytest.fixture
    def many(self, db: None, redis_client: "redis.Redis", monkeypatch: pytest.MonkeyPatch) -> list[Symbol]:
        monkeypatch.setattr(sync, "MAX_FEES", 2)
        return [make_symbol(f"{name}USDT") for name in ("OLD1", "OLD2", "OLD3", "ADA")]

    def test_symbols_whose_fee_is_refused_for_good_starve_nobody(
        self, many: list[Symbol], exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fees(symbol: str) -> Fees:
            if symbol.startswith("OLD"):
                raise Refused("Invalid symbol. (-1121)", -1121)
            return Fees.flat(D("0.00075"))

        monkeypatch.setattr(exchange, "fees", fees)
        for _ in range(2):
            sync.ask_fees(Venue.MOCK, many, exchange)
        assert Listing.objects.get(symbol__name="ADAUSDT").sell_maker_fee == D("0.00075")

    def test_exchange_that_is_away_is_asked_again_soon(
        self, many: list[Symbol], exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def away(symbol: str) -> Fees:
            raise NotSent("no line")

        monkeypatch.setattr(exchange, "fees", away)
        assert sync.ask_fees(Venue.MOCK, many, exchange) == 0
        assert sync.without_fee(Venue.MOCK, many).count() == len(many)

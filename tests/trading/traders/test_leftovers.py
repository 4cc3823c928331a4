"""What a cycle can't sell: left over for the next sale, held until it can be sold, or gone from the account."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal as D

import pytest
from django.utils import timezone

from hedgehog_project.venues import Venue
from tests.support.exchanges.market import MockExchange
from tests.support.exchanges.scripted_exchange import ScriptedExchange, raises
from tests.trading.conftest import make_symbol
from tests.trading.traders.test_exits import at, give, orders
from tests.trading.traders.test_traders import TRADE, fresh, look_again, run_cycle
from trading import leader
from trading.books import totals
from trading.core.journal import Kind, Source
from trading.core.orders import OrderStatus, OrderType, Side
from trading.core.position import TraderState
from trading.exchange.client import exchange_at
from trading.exchange.errors import Refused, Why
from trading.models import JournalEntry, Leftover, Listing, Order, Symbol, Trader, TradingSettings
from trading.models.symbols import forget_filters
from trading.risk.exposure import bound
from trading.traders import acting, cycle_end

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.databases]

NO_BALANCE = Refused("Account has insufficient balance for requested action. (-2010)", -2010, Why.BALANCE)


def lists(**values: object) -> None:
    Listing.objects.update(**values)
    forget_filters()


def next_one(symbol: Symbol, slot: int = 1) -> Trader:
    return Trader.born(TradingSettings.objects.select_related("symbol").get(symbol=symbol), Venue.MOCK, slot)


def left(symbol: Symbol) -> tuple[D, D]:
    row = Leftover.objects.get(symbol=symbol)
    return row.quantity, row.cost


class TestLeftOver:
    """A step of 0.04 ETH: of 0.04 bought, 0.03996 is owned, and nothing of it could be sold; of 0.08 one step."""

    @pytest.fixture
    def coarse(self, symbol: Symbol) -> Symbol:
        lists(step_size=D("0.02"))
        return symbol

    def test_goes_into_the_next_sale_once_it_makes_a_step_with_its_cost(
        self, coarse: Symbol, exchange: ScriptedExchange
    ) -> None:
        first = next_one(coarse)
        run_cycle(first, exchange)
        # 0.06 bought, 0.05994 owned, 0.04 sold
        ended = fresh(first)
        assert (ended.state, ended.leftover) == (TraderState.FINISHED, D("0.01994"))
        assert ended.leftover_cost == (D("0.01994") / D("0.05994") * D("0.06") * 2997).quantize(D("0.00000001"))
        assert left(coarse) == (ended.leftover, ended.leftover_cost)
        second = next_one(coarse)
        run_cycle(second, exchange)
        sold = Order.objects.get(trader=second, side=Side.SELL)
        # 0.05994 and 0.01994 are 0.07988: one step more than its own
        assert sold.quantity == D("0.06")
        taken = fresh(second)
        assert (taken.carried, taken.carried_cost) == (ended.leftover, ended.leftover_cost)
        assert taken.leftover == D("0.01988")
        assert left(coarse) == (taken.leftover, taken.leftover_cost)
        # All that was paid is in the profits, or in what is left over.
        paid, received = D("0.12") * 2997, D("0.04") * 3006 + D("0.06") * 3006
        fees = received / 1000
        assert ended.profit is not None and taken.profit is not None
        assert abs(ended.profit + taken.profit - (received - fees - (paid - left(coarse)[1]))) < D("0.0000001")
        said = JournalEntry.objects.get(trader=second, kind=Kind.ORDERED, order__side=Side.SELL).reason
        assert "with 0.01994 ETH left over by earlier cycles" in said

    def test_stays_where_it_makes_no_step(self, coarse: Symbol, exchange: ScriptedExchange) -> None:
        Leftover.objects.create(symbol=coarse, venue=Venue.MOCK, quantity=D("0.00005"), cost=D("0.15"))
        run_cycle(next_one(coarse), exchange)
        assert Order.objects.get(side=Side.SELL).quantity == D("0.04")
        assert left(coarse)[0] == D("0.00005") + D("0.01994")

    def test_of_a_stop_is_its_own_alone(self, coarse: Symbol, exchange: ScriptedExchange) -> None:
        """What was left over may be gone: a stop must not wait for that to be found out."""
        trader = next_one(coarse)
        give(trader, stop_loss_interval="0.05")
        acting.wake(trader.pk, TRADE, exchange)
        Leftover.objects.create(symbol=coarse, venue=Venue.MOCK, quantity=D("0.5"), cost=D(1500))
        acting.hear(exchange.fill_all(orders(trader, Side.BUY)[0].client_order_id), Source.REPORT, exchange)
        sale = orders(trader, Side.SELL)[0]
        assert sale.quantity == D("0.54")
        Leftover.objects.update(quantity=D("0.5"))
        acting.wake(trader.pk, at("2800"), exchange)
        assert orders(trader, Side.SELL)[-1].quantity == D("0.54")
        assert left(coarse)[0] == D("0.5")

    def test_counts_in_exposure(self, coarse: Symbol, exchange: ScriptedExchange) -> None:
        run_cycle(next_one(coarse), exchange)
        assert bound(Venue.MOCK, coarse.pk) == bound(Venue.MOCK, quote_asset="USDT") == left(coarse)[1] > 0
        second = next_one(coarse)
        acting.wake(second.pk, TRADE, exchange)
        acting.hear(exchange.fill_all(orders(second, Side.BUY)[0].client_order_id), Source.REPORT, exchange)
        # It has taken them along: they count once.
        now_bound = D("0.06") * 2997 + fresh(second).carried_cost
        assert abs(bound(Venue.MOCK, coarse.pk) - now_bound) < D("0.00000002")

    def test_is_corrected_by_a_late_fill(self, coarse: Symbol, exchange: ScriptedExchange) -> None:
        trader = next_one(coarse)
        run_cycle(trader, exchange)
        buy = orders(trader, Side.BUY)[0]
        Order.objects.filter(pk=buy.pk).update(quantity=buy.quantity * 2)
        exchange.kept[buy.client_order_id] = replace(exchange.kept[buy.client_order_id], quantity=buy.quantity * 2)
        acting.hear(exchange.fill(buy.client_order_id, D("0.02")), Source.REPORT, exchange)
        assert left(coarse) == (fresh(trader).leftover, fresh(trader).leftover_cost)
        assert left(coarse)[0] == D("0.01994") + D("0.01998")
        assert totals.differences(Venue.MOCK) == []
        assert totals.of_symbol(coarse.pk, Venue.MOCK).profit == fresh(trader).profit

    def test_of_what_a_person_gave_up_is_the_persons(self, coarse: Symbol, exchange: ScriptedExchange) -> None:
        trader = next_one(coarse)
        acting.wake(trader.pk, TRADE, exchange)
        acting.hear(exchange.fill_all(orders(trader, Side.BUY)[0].client_order_id), Source.REPORT, exchange)
        acting.hear(
            exchange.end(orders(trader, Side.SELL)[0].client_order_id, OrderStatus.CANCELED), Source.REPORT, exchange
        )
        assert cycle_end.abandon(trader.pk, "anna")
        assert totals.differences(Venue.MOCK) == []
        assert not Leftover.objects.filter(quantity__gt=0).exists()


class TestWorthTooLittle:
    """Orders begin at 5 USDT."""

    def test_buy_that_was_left_behind_is_kept_until_its_part_can_be_sold(
        self, trader: Trader, exchange: ScriptedExchange
    ) -> None:
        give(trader, retarget_interval="0.01")
        Trader.objects.update(budget=D(6))
        acting.wake(trader.pk, TRADE, exchange)
        buy = orders(trader, Side.BUY)[0]
        acting.hear(exchange.fill(buy.client_order_id, D("0.0009")), Source.REPORT, exchange)
        acting.wake(trader.pk, at("3030"), exchange)
        assert orders(trader, Side.BUY)[0].status == OrderStatus.PARTIALLY_FILLED
        assert "stays open until its filled part can be sold" in fresh(trader).waits_for
        assert len(exchange.placed) == 1

    def test_part_of_a_buy_that_was_left_behind_is_carried_into_the_next(
        self, trader: Trader, exchange: ScriptedExchange
    ) -> None:
        """3 of 200 USDT have traded: they can't be sold by themselves, and are no dust."""
        give(trader, retarget_interval="0.01")
        acting.wake(trader.pk, TRADE, exchange)
        acting.hear(exchange.fill(orders(trader, Side.BUY)[0].client_order_id, D("0.001")), Source.REPORT, exchange)
        acting.wake(trader.pk, at("3030"), exchange)
        assert fresh(trader).state == TraderState.HOLDING
        assert bound(Venue.MOCK, trader.symbol_id) == D("2.997")
        acting.wake(trader.pk, at("3030"), exchange)
        first, more = orders(trader, Side.BUY)
        assert (first.status, more.status) == (OrderStatus.CANCELED, OrderStatus.NEW)
        assert more.price * more.quantity + first.price * D("0.001") <= D(200)
        acting.hear(exchange.fill_all(more.client_order_id), Source.REPORT, exchange)
        sale = orders(trader, Side.SELL)[0]
        assert sale.quantity == ((more.quantity + D("0.001")) * D("0.999")).quantize(D("0.0001"), "ROUND_FLOOR")

    def test_whole_position_is_held_and_its_slot_buys_nothing(
        self, trader: Trader, exchange: ScriptedExchange
    ) -> None:
        """The min notional was raised above its position."""
        acting.wake(trader.pk, TRADE, exchange)
        lists(min_notional=D(1_500))
        acting.hear(exchange.fill_all(orders(trader, Side.BUY)[0].client_order_id), Source.REPORT, exchange)
        held = fresh(trader)
        assert (held.state, held.finished_at) == (TraderState.HOLDING, None)
        assert "it cannot be sold now" in held.waits_for
        assert bound(Venue.MOCK, trader.symbol_id) == D("0.0667") * 2997
        assert leader.fill_slots() == 0
        lists(min_notional=D(5))
        look_again(trader, exchange)
        assert fresh(trader).state == TraderState.SELLING

    def test_stop_that_could_sell_nothing_leaves_the_sale_alone(
        self, trader: Trader, exchange: ScriptedExchange
    ) -> None:
        """A sale of 5.2 where orders begin at 5, and a stop of 5 %: it used to end as dust, and bought again."""
        give(trader, stop_loss_interval="0.05")
        acting.wake(trader.pk, TRADE, exchange)
        acting.hear(exchange.fill_all(orders(trader, Side.BUY)[0].client_order_id), Source.REPORT, exchange)
        lists(min_notional=D(195))
        acting.wake(trader.pk, at("2840"), exchange)
        assert [order.status for order in orders(trader, Side.SELL)] == [OrderStatus.NEW]
        assert "the sell stays open" in fresh(trader).waits_for

    def test_nothing_is_bought_that_a_stop_could_not_sell(self, trader: Trader, exchange: ScriptedExchange) -> None:
        give(trader, stop_loss_interval="0.05")
        lists(step_size=D("0.00001"))
        Trader.objects.update(budget=D("5.2"))
        acting.wake(trader.pk, TRADE, exchange)
        assert exchange.placed == []
        assert "could not be closed by an exit" in fresh(trader).waits_for


class TestMissing:
    """The account is the truth."""

    @pytest.fixture
    def holds(self, trader: Trader, exchange: ScriptedExchange) -> Trader:
        """It has bought 0.0667, owns 0.0666333, and its sale was refused for want of balance."""
        acting.wake(trader.pk, TRADE, exchange)
        exchange.before.append(raises(NO_BALANCE))
        acting.hear(exchange.fill_all(orders(trader, Side.BUY)[0].client_order_id), Source.REPORT, exchange)
        assert fresh(trader).state == TraderState.HOLDING
        return trader

    def test_unit_too_few_sells_what_is_there_and_books_the_rest_as_missing(
        self, holds: Trader, exchange: ScriptedExchange
    ) -> None:
        """A commission in BNB has eaten a part, or somebody has sold some by hand."""
        exchange.money["ETH"] = D("-0.0024")
        exchange.before.append(raises(NO_BALANCE))
        look_again(holds, exchange)
        sale = orders(holds, Side.SELL)[-1]
        assert (sale.status, sale.quantity) == (OrderStatus.NEW, D("0.0642"))
        assert fresh(holds).missing == D("0.0024")
        entry = JournalEntry.objects.get(trader=holds, kind=Kind.MISSING)
        assert "0.0024 ETH of its position is missing" in entry.reason
        assert acting.hear(exchange.fill_all(sale.client_order_id), Source.REPORT, exchange)
        ended = fresh(holds)
        assert (ended.state, ended.leftover) == (TraderState.FINISHED, D("0.0000333"))
        # The profit is that of what was sold; what is missing is neither profit nor loss of it.
        cost = D("0.0667") * 2997 * D("0.0642") / D("0.0666333")
        assert ended.profit == (D("0.0642") * sale.price * D("0.999") - cost).quantize(D("0.00000001"), "ROUND_FLOOR")

    def test_first_refusal_may_be_a_moments(self, holds: Trader, exchange: ScriptedExchange) -> None:
        look_again(holds, exchange)
        assert (fresh(holds).state, fresh(holds).missing) == (TraderState.SELLING, D(0))

    def test_everything_gone_ends_the_trader_with_that_reason(
        self, holds: Trader, exchange: ScriptedExchange
    ) -> None:
        exchange.money["ETH"] = D("-0.0666333")
        for _ in range(3):
            assert fresh(holds).finished_at is None
            exchange.before.append(raises(NO_BALANCE))
            look_again(holds, exchange)
        ended = fresh(holds)
        assert (ended.state, ended.missing, ended.leftover, ended.profit) == (
            TraderState.MISSING,
            D("0.0666333"),
            D(0),
            D(0),
        )
        assert JournalEntry.objects.filter(kind=Kind.ENDED, trader=holds).exists()

    def test_what_other_orders_of_the_account_hold_is_not_gone(
        self, holds: Trader, exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(exchange, "balances", lambda: {"ETH": (D(0), D("0.0666333"))})
        for _ in range(4):
            exchange.before.append(raises(NO_BALANCE))
            look_again(holds, exchange)
        waits = fresh(holds)
        assert (waits.state, waits.missing) == (TraderState.HOLDING, D(0))
        assert "other orders lock them" in waits.waits_for

    def test_sale_that_is_refused_though_the_coins_are_there_is_tried_again_after_its_wait(
        self, holds: Trader, exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Thirty times a second it used up the weight that is reserved for the exits of all traders."""
        asked, balances = [], exchange.balances

        def counted() -> dict[str, tuple[D, D]]:
            asked.append("balances")
            return balances()

        monkeypatch.setattr(exchange, "balances", counted)
        for _ in range(5):
            exchange.before = [raises(NO_BALANCE)] * 9
            before = timezone.now()
            look_again(holds, exchange)
            assert len(exchange.before) >= 7, "one try, and another by what the account has"
            retry_at = fresh(holds).retry_at
            assert retry_at is not None and retry_at > before
        assert len(asked) == 5
        exchange.before = []
        look_again(holds, exchange)
        assert fresh(holds).state == TraderState.SELLING

    def test_over_the_wire_coins_that_were_sold_by_hand_end_the_trader(
        self, trader: Trader, at_mock: MockExchange
    ) -> None:
        acting.wake(trader.pk, TRADE, exchange_at)
        at_mock.trade("ETHUSDT", "2990")
        buy = orders(trader, Side.BUY)[0]
        acting.ask(buy.pk, exchange_at)
        sale = orders(trader, Side.SELL)[0]
        mine = at_mock.client()
        mine.cancel("ETHUSDT", sale.client_order_id)
        mine._rest.create_order(symbol="ETHUSDT", side="SELL", type="MARKET", quantity="0.0666")
        acting.ask(sale.pk, exchange_at)
        deadline = timezone.now() + timedelta(seconds=30)
        while fresh(trader).finished_at is None and timezone.now() < deadline:
            look_again(trader, exchange_at)
        ended = fresh(trader)
        assert (ended.state, ended.missing) == (TraderState.MISSING, D("0.0666"))
        assert ended.leftover == D("0.0000333")


def test_symbols_with_coarse_steps_strand_less_than_a_step_over_many_cycles(
    db: None, redis_client: object, exchange: ScriptedExchange
) -> None:
    """USDTTRY, whole dollars: nine cycles used to strand nine dollars."""
    symbol = make_symbol("XUSDT")
    TradingSettings.objects.update(budget=D(400))
    lists(step_size=D(1), tick_size=D("0.01"))
    for _ in range(9):
        trader = next_one(symbol)
        acting.wake(trader.pk, at("34.00"), exchange)
        for side in Side:
            (order,) = orders(trader, side)
            acting.hear(exchange.fill_all(order.client_order_id), Source.REPORT, exchange)
        assert fresh(trader).state == TraderState.FINISHED
        assert Order.objects.filter(trader=trader, side=Side.SELL, type=OrderType.LIMIT).count() == 1
    assert left(symbol)[0] < 1

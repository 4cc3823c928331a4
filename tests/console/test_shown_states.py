"""What is missing in the account, orders that are late or denied, and every state: in words for people."""

import json
from datetime import timedelta
from decimal import Decimal as D

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from console import diagnosis, figures
from console.admin.show import STATE_KINDS, STATUS_KINDS
from console.admin.timeline import timeline_of
from console.words import STATE_MEANS, STATUS_MEANS, notes
from hedgehog_project.venues import Venue
from tests.support.commands import said
from tests.support.environment import ROOT
from tests.support.rows import make_cycle, make_fill, make_order, make_trader
from tests.trading.conftest import make_symbol
from trading.core.journal import Cause, Kind, Source
from trading.core.orders import OrderStatus, Side
from trading.core.strategy import TraderState
from trading.models import Order, Symbol, Trader
from trading.models.journal import write

pytestmark = [pytest.mark.django_db, pytest.mark.databases]

LACKS = "BNBUSDT slot 2: 0.0024 BNB of its position is missing in the account. The rest is sold."


def shown(client: Client, name: str, *args: object, query: str = "") -> str:
    answer = client.get(reverse(f"admin:{name}", args=args) + query)
    assert answer.status_code == 200
    return answer.content.decode()


@pytest.fixture
def bnb(redis_client: object) -> Symbol:
    return make_symbol("BNBUSDT")


@pytest.fixture
def lacks(bnb: Symbol) -> Trader:
    """Of 0.749 BNB for 449.4 USDT, commissions in BNB of other symbols have eaten 0.0024."""
    trader = make_trader(bnb, 2, state=TraderState.HOLDING, missing=D("0.0024"), holds=True)
    make_fill(make_order(trader, price=D(600), quantity=D("0.749")))
    cause = Cause(Source.QUERY, "0.745851 BNB free")
    write(trader, cause, Kind.MISSING, "position incomplete", "0.0024 BNB of its position is missing in the account")
    return trader


def ended(trader: Trader, state: TraderState, hours: int) -> None:
    Trader.objects.filter(pk=trader.pk).update(
        state=state, finished_at=timezone.now() - timedelta(hours=hours), profit=D(0), holds=False
    )


class TestMissing:
    def test_note_stands_on_the_overview_and_in_status_while_the_trader_lives(
        self, lacks: Trader, admin_client: Client
    ) -> None:
        Trader.objects.filter(pk=lacks.pk).update(created_at=timezone.now() - timedelta(days=9))
        assert LACKS in shown(admin_client, "index")
        assert f"Note: {LACKS}" in said("status").splitlines()

    def test_note_stands_for_the_last_day_after_its_end_and_no_longer(
        self, lacks: Trader, admin_client: Client
    ) -> None:
        ended(lacks, TraderState.FINISHED, hours=23)
        note = "BNBUSDT slot 2: 0.0024 BNB of its position is missing in the account. The rest was sold."
        assert note in shown(admin_client, "index")
        assert note in said("status")
        ended(lacks, TraderState.FINISHED, hours=25)
        assert "of its position is missing" not in shown(admin_client, "index") + said("status") + said(
            "why", "BNBUSDT"
        )

    def test_note_of_one_that_has_lost_all_says_that_it_has_ended_for_that(self, lacks: Trader) -> None:
        Trader.objects.update(missing=D("0.748251"))
        ended(lacks, TraderState.MISSING, hours=1)
        assert figures.missing(Venue.MOCK) == [
            "BNBUSDT slot 2: 0.748251 BNB of its position is missing in the account, "
            "which is all of it: the cycle is finished."
        ]

    def test_end_of_one_that_has_lost_all_is_bad_in_its_story_though_it_lost_no_money(self, lacks: Trader) -> None:
        ended(lacks, TraderState.MISSING, hours=1)
        lacks.refresh_from_db()
        cause = Cause(Source.QUERY, "0 BNB free", "t")
        write(lacks, cause, Kind.ENDED, "ends: missing", "what it held is no longer on the account")
        assert timeline_of(lacks)["steps"][-1]["tone"] == "bad"

    def test_why_says_it_and_the_symbols_page_does(self, lacks: Trader, admin_client: Client) -> None:
        assert f"Note: {LACKS}" in said("why", "BNBUSDT").splitlines()
        assert json.loads(said("why", "BNBUSDT", "--json"))["missing"] == [LACKS]
        assert LACKS in shown(admin_client, "trading_symbol_change", lacks.symbol_id)

    def test_other_symbols_and_venues_say_nothing_of_it(self, lacks: Trader, symbol: Symbol) -> None:
        assert "missing in the account" not in said("why", "ETHUSDT")
        assert figures.missing(Venue.LIVE) == []

    def test_traders_page_says_what_it_cost_in_a_sentence_and_in_its_sum(
        self, lacks: Trader, admin_client: Client
    ) -> None:
        text = shown(admin_client, "trading_trader_change", lacks.pk)
        cost = timeline_of(lacks)["sum"]["position"][-1]
        assert "Missing in the account" in cost[0]
        # 449.4 x 0.0024 / 0.748251
        assert "1.44144" in cost[1]
        assert "0.0024 BNB of its position is missing in the account, cost 1.44144" in text
        assert "Position incomplete" in text
        assert timeline_of(lacks)["steps"][0]["tone"] == "bad"

    def test_sum_of_a_cycle_that_carried_left_overs_and_lacks_a_part_is_that_of_the_books(
        self, lacks: Trader
    ) -> None:
        """It was made from the orders alone: another profit than the trader's own."""
        lacks.carried, lacks.carried_cost, lacks.missing = D("0.05"), D("29"), D("0.01")
        lacks.save()
        sale = make_order(lacks, Side.SELL, price=D(610), quantity=D("0.788"))
        fill = make_fill(sale, 2)
        fill.commission, fill.commission_asset = D(0), "USDT"
        fill.save()
        told = timeline_of(lacks)["sum"]
        rows = " ".join(f"{label} {amount}" for label, amount, _ in told["position"])
        assert "Leftover of earlier cycles, sold with it: 0.05 BNB" in rows
        # 0.788 of 0.798251 in all, which cost 478.4
        cost = D("478.4") * D("0.788") / D("0.798251")
        assert f"{(D(610) * D('0.788') - cost):.4f}"[:-1] in told["net"]

    def test_list_of_traders_has_them_in_a_part_of_its_own(self, lacks: Trader, admin_client: Client) -> None:
        make_trader(lacks.symbol, 3)
        text = shown(admin_client, "trading_trader_changelist", query="?show=missing")
        assert "0.0024 BNB</span> of its position is missing in the account" in text
        assert text.count("BNBUSDT</b>") == 1

    def test_many_are_named_in_part(self, bnb: Symbol) -> None:
        for slot in range(1, 9):
            make_trader(bnb, slot, state=TraderState.HOLDING, missing=D(1))
        hints = [str(each) for each in diagnosis.missing(diagnosis.gather(states=[]))]
        assert hints[-1] == "3 more traders have a position that is missing in the account."
        assert len(hints) == 6

    def test_ended_traders_are_found_by_what_they_lack_and_not_by_looking_at_all(self, lacks: Trader) -> None:
        if connection.vendor != "sqlite":
            pytest.skip("the plan of so few rows says nothing on PostgreSQL")
        for _ in range(3):
            make_cycle(lacks.symbol, "1")
        with CaptureQueriesContext(connection) as captured:
            figures.missing(Venue.MOCK)
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN QUERY PLAN {captured[0]['sql']}")
            plan = " ".join(row[3] for row in cursor.fetchall())
        assert plan.count("USING INDEX trader_missing (finished_at") == 2, plan


class TestOrders:
    @pytest.fixture
    def denied(self, symbol: Symbol) -> Order:
        at = timezone.now().replace(hour=9, minute=8, second=7)
        return make_order(
            make_trader(symbol, state=TraderState.BUYING), status=OrderStatus.SUBMITTING, not_found_at=at
        )

    @pytest.fixture
    def late(self, symbol: Symbol) -> Order:
        trader = make_trader(symbol, 2, state=TraderState.BUYING)
        late = make_order(trader, is_late=True, cancel_reason="it appeared after it was recorded as not placed")
        for source, status in ((Source.QUERY, OrderStatus.NOT_PLACED), (Source.REPORT, OrderStatus.NEW)):
            late.status = status
            write(trader, Cause(source), Kind.BOOKED, f"buy {status}", order=late)
        return late

    def test_order_that_the_exchange_denies_says_so_on_its_page_and_its_traders_and_what_follows(
        self, denied: Order, admin_client: Client
    ) -> None:
        words = "not found: since 09:08:07 UTC the exchange says that it has no such order"
        for text in (
            shown(admin_client, "trading_order_change", denied.pk),
            shown(admin_client, "trading_trader_change", denied.trader_id),
            shown(admin_client, "trading_order_changelist", query="?show=unclear"),
            said("why", "ETHUSDT"),
        ):
            assert words in text
            assert "no other is placed until this one is proven not to exist" in text

    def test_order_that_shows_late_is_marked_late_and_told_in_the_story(
        self, late: Order, admin_client: Client
    ) -> None:
        words = "late: it appeared after it counted as not placed, and is cancelled automatically"
        assert words in shown(admin_client, "trading_order_change", late.pk)
        listed = shown(admin_client, "trading_order_changelist", query="?show=late")
        assert words in listed
        assert listed.count(late.client_order_id) >= 1
        assert [step["lines"][0]["text"] for step in timeline_of(late.trader)["steps"]] == [
            "The buy was not placed",
            "The buy is open: late, it had been recorded as not placed",
        ]

    def test_now_tells_of_the_order_that_counts_and_then_of_the_late_one(self, late: Order) -> None:
        make_order(late.trader, price=D(2980))
        now = timeline_of(late.trader)["now"]
        assert now.index("at 2980") < now.index("at 2997") < now.index("late: it appeared")

    def test_overview_says_of_an_unclear_order_that_it_is_denied(self, denied: Order, admin_client: Client) -> None:
        Order.objects.update(submitted_at=timezone.now() - timedelta(seconds=20))
        row = shown(admin_client, "index").split("Not confirmed by the exchange")[1].split("</tr>")[0]
        assert "not found: since 09:08:07 UTC" in row

    def test_order_that_was_cancelled_after_it_showed_late_is_told_as_past(self, late: Order) -> None:
        late.status = OrderStatus.CANCELED
        assert notes(late) == ["late: it appeared after it counted as not placed, and was cancelled automatically"]

    def test_order_that_is_simply_open_has_no_note(self, symbol: Symbol) -> None:
        assert notes(make_order(make_trader(symbol))) == []

    @pytest.mark.parametrize(
        ("part", "statuses"),
        [
            ("gone", {"NOT_PLACED", "NOT_FOUND", "LET_GO"}),
            ("unclear", {"SUBMITTING"}),
            ("other", {"CANCELED", "REJECTED", "EXPIRED", "EXPIRED_IN_MATCH"}),
        ],
    )
    def test_list_has_parts_by_what_became_of_orders(
        self, symbol: Symbol, admin_client: Client, part: str, statuses: set[str]
    ) -> None:
        orders = {
            status: make_order(make_trader(symbol, slot), status=status) for slot, status in enumerate(OrderStatus, 1)
        }
        text = shown(admin_client, "trading_order_changelist", query=f"?show={part}")
        assert {status for status, order in orders.items() if order.client_order_id in text} == statuses


class TestWords:
    def test_every_state_has_a_colour_and_a_meaning_and_stands_in_the_docs(self) -> None:
        assert set(STATE_KINDS) == set(STATE_MEANS) == set(TraderState)
        assert set(STATUS_KINDS) == set(STATUS_MEANS) == set(OrderStatus)
        docs = " ".join((ROOT / "docs" / "states.md").read_text().split())
        for state, means in (*STATE_MEANS.items(), *STATUS_MEANS.items()):
            assert f"| `{state}` | {means} |" in docs

    @pytest.mark.parametrize("state", [TraderState.MISSING, TraderState.ABANDONED, TraderState.DUST])
    def test_page_of_an_ended_trader_says_what_its_state_means(
        self, symbol: Symbol, admin_client: Client, state: TraderState
    ) -> None:
        trader = make_trader(symbol, state=state, finished_at=timezone.now(), profit=D(0))
        assert f'<p class="hh-dim hh-wraps">{STATE_MEANS[state]}</p>' in shown(
            admin_client, "trading_trader_change", trader.pk
        )

    @pytest.mark.parametrize("status", [OrderStatus.NOT_FOUND, OrderStatus.LET_GO, OrderStatus.NOT_PLACED])
    def test_page_of_an_order_says_what_its_status_means(
        self, symbol: Symbol, admin_client: Client, status: OrderStatus
    ) -> None:
        order = make_order(make_trader(symbol), status=status)
        text = shown(admin_client, "trading_order_change", order.pk).replace("&#x27;", "'")
        assert text.count(STATUS_MEANS[status]) == 2  # when the badge is pointed at, and in a line

"""Lists that grow for years: pages by id, searches by index, and what a page says of how far it has looked."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.urls import reverse

from console.admin import long_lists
from console.admin.long_lists import first_since
from hedgehog_project.venues import Venue
from tests.support.rows import make_cycle, make_fill, make_order
from tests.trading.conftest import make_symbol
from trading.core.journal import Cause, Kind, Source
from trading.core.strategy import TraderState
from trading.models import Fill, JournalEntry, Order, Symbol, Trader
from trading.models.journal import write

pytestmark = [pytest.mark.django_db, pytest.mark.databases]

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def listed(client: Client, model: str, query: str = "") -> tuple[list[int], str]:
    """The ids that a list shows, in order, and its foot."""
    answer = client.get(f"{reverse(f'admin:trading_{model}_changelist')}?{query}")
    assert answer.status_code == 200, answer
    html = answer.content.decode()
    found = re.search(r'<div class="hh-pages">(.*?)</div>', html, re.DOTALL)
    assert found is not None
    return [row.pk for row in answer.context["cl"].result_list], found[1]


def words(foot: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", foot).split())


def link(foot: str, text: str) -> str:
    """The query of a link in a foot."""
    found = re.search(rf'<a class="hh-link" href="\?([^"]*)"[^>]*>{text}</a>', foot)
    assert found is not None, foot
    return found[1].replace("&amp;", "&")


@pytest.fixture
def lines(symbol: Symbol, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Ten lines of a journal, a minute apart, the oldest first, on pages of three."""
    monkeypatch.setattr(long_lists, "PER_PAGE", 3)
    trader = make_cycle(symbol, "1")
    JournalEntry.objects.all().delete()
    return [
        JournalEntry.objects.create(
            trader=trader,
            decision=f"did number {n}",
            at=BEGIN + timedelta(minutes=n),
            task_id="even" if n % 2 == 0 else "",
        ).pk
        for n in range(10)
    ]


def make_told_cycle(symbol: Symbol, venue: Venue = Venue.MOCK) -> Trader:
    """A cycle with an order, its fill and a line of the journal."""
    trader = make_cycle(symbol, "1", venue=venue)
    order = make_order(trader)
    make_fill(order)
    write(trader, Cause(Source.TRADE), Kind.ORDERED, "place a buy", order=order)
    return trader


class TestPages:
    def test_begin_where_the_last_one_ended(self, admin_client: Client, lines: list[int]) -> None:
        shown, foot = listed(admin_client, "journalentry")
        assert shown == lines[:-4:-1]
        assert words(foot) == "3 of 10 journal entries Older"
        shown, foot = listed(admin_client, "journalentry", link(foot, "Older"))
        assert shown == lines[-4:-7:-1]
        assert words(foot) == "3 of many journal entries Newest Newer Older"
        assert listed(admin_client, "journalentry", link(foot, "Newer"))[0] == lines[:-4:-1]
        assert listed(admin_client, "journalentry", link(foot, "Newest"))[0] == lines[:-4:-1]

    def test_end_with_the_oldest_row(self, admin_client: Client, lines: list[int]) -> None:
        shown, foot = listed(admin_client, "journalentry", f"before={lines[2]}")
        assert shown == [lines[1], lines[0]]
        assert words(foot) == "2 of many journal entries Newest Newer"
        assert listed(admin_client, "journalentry", link(foot, "Newer"))[0] == lines[4:1:-1]

    def test_neither_lose_nor_repeat_rows_that_come_meanwhile(self, admin_client: Client, lines: list[int]) -> None:
        _, foot = listed(admin_client, "journalentry")
        JournalEntry.objects.create(trader=Trader.objects.get(), decision="new")
        assert listed(admin_client, "journalentry", link(foot, "Older"))[0] == lines[-4:-7:-1]

    def test_of_few_rows_are_counted(self, admin_client: Client, lines: list[int]) -> None:
        shown, foot = listed(admin_client, "journalentry", "q=number+4")
        assert (shown, words(foot)) == ([lines[4]], "1 journal entry")

    def test_say_when_there_are_too_many_to_count(
        self, admin_client: Client, lines: list[int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(long_lists, "COUNTED", 5)
        assert words(listed(admin_client, "journalentry")[1]) == "3 of more than 5 journal entries Older"

    @pytest.mark.parametrize("query", ["before=x", "before=", "before=-1", "after=99999999999999999999999"])
    def test_begin_at_the_newest_where_the_address_makes_no_sense(
        self, admin_client: Client, lines: list[int], query: str
    ) -> None:
        assert listed(admin_client, "journalentry", query)[0] == lines[:-4:-1]

    def test_no_form_keeps_where_a_page_begins(self, admin_client: Client, lines: list[int]) -> None:
        url = reverse("admin:trading_journalentry_changelist")
        html = admin_client.get(f"{url}?before={lines[5]}&q=did").content.decode()
        assert 'name="before"' not in html
        assert 'name="q"' in html


class TestWhatNoIndexFinds:
    @pytest.fixture(autouse=True)
    def few(self, lines: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(long_lists, "SEARCHED", 4)

    def test_is_searched_for_in_so_many_rows_at_a_time(self, admin_client: Client, lines: list[int]) -> None:
        shown, foot = listed(admin_client, "journalentry", "q=even")
        assert shown == [lines[8], lines[6]]
        assert words(foot) == "2 found in 4 journal entries, back to 01 Jan 00:06:00 Search older"
        shown, foot = listed(admin_client, "journalentry", link(foot, "Search older"))
        assert shown == [lines[4], lines[2]]
        assert words(foot) == "2 found in 4 journal entries, back to 01 Jan 00:02:00 Newest Newer Search older"
        shown, foot = listed(admin_client, "journalentry", link(foot, "Search older"))
        assert shown == [lines[0]]
        assert words(foot) == "1 of many journal entries Newest Newer"

    def test_is_searched_for_on_the_way_back_as_well(self, admin_client: Client, lines: list[int]) -> None:
        shown, foot = listed(admin_client, "journalentry", f"q=even&after={lines[0]}")
        assert shown == [lines[4], lines[2]]
        assert words(foot) == "2 found in 4 journal entries, on to 01 Jan 00:04:00 Newest Newer Search older"

    def test_is_not_said_to_be_nowhere(self, admin_client: Client, lines: list[int]) -> None:
        url = reverse("admin:trading_journalentry_changelist")
        html = admin_client.get(f"{url}?q=number+1").content.decode()
        assert "No journal entry among those searched matches the search and filters." in html
        assert "Search older" in html


class TestTimes:
    def test_show_what_was_written_then(self, admin_client: Client, lines: list[int]) -> None:
        day = "at_from_0=2026-01-01&at_to_0=2026-01-01"
        shown, foot = listed(admin_client, "journalentry", f"{day}&at_from_1=00:03:00&at_to_1=00:05:00")
        assert (shown, words(foot)) == (lines[5:2:-1], "3 journal entries")
        assert listed(admin_client, "journalentry", f"{day}&at_from_1=12:00:00&at_to_1=13:00:00")[0] == []

    def test_of_nonsense_show_everything(self, admin_client: Client, lines: list[int]) -> None:
        assert len(listed(admin_client, "journalentry", "at_from_0=soon&at_from_1=00:00:00")[0]) == 3

    def test_are_found_by_halving_over_gaps(self, lines: list[int]) -> None:
        JournalEntry.objects.filter(pk__in=[*lines[:2], *lines[4:7]]).delete()
        rows = JournalEntry.objects.all()
        for minutes, expected in ((0, lines[2]), (3, lines[3]), (4, lines[7]), (8, lines[8]), (10, lines[9] + 1)):
            assert first_since(rows, "at", BEGIN + timedelta(minutes=minutes)) == expected
        rows.delete()
        assert first_since(rows, "at", BEGIN) == 0


class TestSearch:
    @pytest.fixture
    def other(self, symbol: Symbol) -> Trader:
        """A cycle of another symbol, beside one of ETHUSDT."""
        make_told_cycle(symbol)
        return make_told_cycle(make_symbol("BTCUSDT"))

    @pytest.mark.parametrize("model", ["trader", "order", "fill", "journalentry"])
    def test_finds_rows_by_symbol_order_and_trader(self, admin_client: Client, other: Trader, model: str) -> None:
        order = Order.objects.filter(trader=other)[0]
        shown = "show=all&" if model == "trader" else ""  # Otherwise the active ones.
        every, _ = listed(admin_client, model, shown)
        of_trader = {
            "trader": Trader.objects.filter(pk=other.pk),
            "order": Order.objects.filter(trader=other),
            "fill": Fill.objects.filter(order__trader=other),
            "journalentry": JournalEntry.objects.filter(trader=other),
        }[model]
        ids = sorted(of_trader.values_list("pk", flat=True), reverse=True)
        assert set(ids) < set(every)
        for text in ("BTCUSDT", "btcusdt", "BTC", f"%23{other.pk}"):
            assert listed(admin_client, model, f"{shown}q={text}")[0] == ids, text
        assert listed(admin_client, model, f"{shown}q=DOGE")[0] == []
        by_order = {
            "trader": [other.pk],
            "order": [order.pk],
            "fill": [fill.pk for fill in order.fills.order_by("-pk")],
            "journalentry": [entry.pk for entry in order.journal.order_by("-pk")],
        }[model]
        assert listed(admin_client, model, f"{shown}q={order.client_order_id}")[0] == by_order

    def test_finds_orders_and_fills_by_the_exchanges_ids(self, admin_client: Client, other: Trader) -> None:
        fill = Fill.objects.filter(order__trader=other)[0]
        Order.objects.filter(pk=fill.order_id).update(exchange_order_id=123456789)
        Fill.objects.filter(pk=fill.pk).update(trade_id=987654321)
        assert listed(admin_client, "order", "q=123456789")[0] == [fill.order_id]
        assert listed(admin_client, "fill", "q=123456789")[0] == [fill.pk]
        assert listed(admin_client, "fill", "q=987654321")[0] == [fill.pk]

    @pytest.mark.parametrize("text", ["9" * 5000, "%2312345678901234567890", "%23", "+", "%25_"])
    def test_of_nonsense_finds_nothing_and_does_no_harm(self, admin_client: Client, other: Trader, text: str) -> None:
        for model in ("trader", "order", "fill", "journalentry"):
            shown, _ = listed(admin_client, model, f"q={text}")
            assert shown == [] or text == "+"

    def test_finds_orders_by_a_part_of_their_id(self, admin_client: Client, other: Trader) -> None:
        order = Order.objects.filter(trader=other)[0]
        assert order.pk in listed(admin_client, "order", f"q={order.client_order_id[1:]}")[0]


class TestFilters:
    def test_go_by_the_row_that_ours_belongs_to(self, admin_client: Client, symbol: Symbol) -> None:
        make_told_cycle(symbol)
        other = make_told_cycle(make_symbol("BTCUSDT"), Venue.TESTNET)
        fills = [fill.pk for fill in Fill.objects.filter(order__trader=other).order_by("-pk")]
        assert fills
        assert listed(admin_client, "fill", f"order__symbol__id__exact={other.symbol_id}")[0] == fills
        assert listed(admin_client, "fill", "order__venue__exact=testnet")[0] == fills
        buys = [fill.pk for fill in Fill.objects.filter(order__side="BUY").order_by("-pk")]
        assert listed(admin_client, "fill", "order__side__exact=BUY")[0] == buys
        entry = JournalEntry.objects.get(trader=other)
        assert listed(admin_client, "journalentry", f"trader__symbol__id__exact={other.symbol_id}")[0] == [entry.pk]
        assert listed(admin_client, "journalentry", "trader__venue__exact=live")[0] == []
        assert listed(admin_client, "journalentry", f"trader__id__exact={other.pk}")[0] == [entry.pk]

    def test_with_two_values_show_the_rows_of_both(self, admin_client: Client, symbol: Symbol) -> None:
        trader, other = make_told_cycle(symbol), make_told_cycle(symbol)
        query = f"trader__id__exact={trader.pk}&trader__id__exact={other.pk}"
        assert len(listed(admin_client, "journalentry", query)[0]) == 2

    def test_of_tabs_find_the_few_whatever_came_since(
        self, admin_client: Client, symbol: Symbol, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(long_lists, "SEARCHED", 1)
        lacking, *_ = [make_told_cycle(symbol) for _ in range(3)]
        Trader.objects.filter(pk=lacking.pk).update(missing="0.5", state=TraderState.MISSING)
        assert listed(admin_client, "trader", "show=missing")[0] == [lacking.pk]
        late = Order.objects.filter(trader=lacking)[0]
        Order.objects.filter(pk=late.pk).update(is_late=True)
        assert listed(admin_client, "order", "show=late")[0] == [late.pk]

"""Worlds of the mock exchange on pages and in commands: shown apart, and what rests says until when."""

import json
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from pytest_django import Settings

from hedgehog_project.venues import Venue
from tests.support.rows import make_cycle, make_order, make_trader
from trading.models import AccountProtections, Balance, Symbol, Trader

pytestmark = pytest.mark.django_db

PAPER, REPLAY = Venue("mock/paper"), Venue("mock/replay:ETHUSDT-2024-1a2b3c")
RESTS = "mock/simulated rests until MARKET=simulated is back"


@pytest.fixture
def worlds(symbol: Symbol, settings: Settings) -> list[Trader]:
    """A trader with an order, and the profit of a cycle, in each of three; paper runs."""
    settings.MARKET = "live"
    found = []
    for venue, profit in ((Venue.MOCK, "111"), (PAPER, "222"), (REPLAY, "333")):
        trader = make_trader(symbol, venue=venue, waits_for=f"waits in {venue}!", failures=3, error="")
        make_order(trader)
        make_cycle(symbol, profit, venue=venue)
        Balance.objects.create(venue=venue, asset="USDT", free=Decimal(1), asked_at=trader.created_at)
        found.append(trader)
    return found


def page(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


def test_lists_mark_what_rests_and_filter_by_world(admin_client: Client, worlds: list[Trader]) -> None:
    everything = page(admin_client, "/admin/trading/trader/?show=all")
    assert all(f"waits in {venue}!" in everything for venue in (Venue.MOCK, PAPER, REPLAY))
    assert RESTS in everything
    for label in ("Mock, simulated", "Paper", "Replay of ETHUSDT-2024-1a2b3c"):
        assert label in everything
    for venue in (Venue.MOCK, PAPER, REPLAY):
        shown = page(admin_client, f"/admin/trading/trader/?show=all&venue__exact={venue}")
        assert [each for each in (Venue.MOCK, PAPER, REPLAY) if f"waits in {each}!" in shown] == [venue]
    of_paper = page(admin_client, f"/admin/trading/order/?venue__exact={PAPER}")
    assert RESTS not in of_paper


@pytest.mark.parametrize(
    "path",
    [
        f"order/?venue__exact={REPLAY}",
        f"fill/?order__venue__exact={REPLAY}",
        f"journalentry/?trader__venue__exact={REPLAY}",
        f"equity/?venue__exact={REPLAY}",
        f"reconciliation/?venue__exact={REPLAY}",
        f"orphan/?venue__exact={REPLAY}",
        f"deniedorder/?venue__exact={REPLAY}",
        f"listing/?venue__exact={REPLAY}",
        f"transfer/?venue__exact={REPLAY}",
    ],
)
def test_each_list_has_the_worlds_that_ever_ran_among_its_choices(
    admin_client: Client, worlds: list[Trader], path: str
) -> None:
    assert f'value="{REPLAY}"' in page(admin_client, f"/admin/trading/{path}")


def test_trader_says_that_it_rests_and_until_when(admin_client: Client, worlds: list[Trader]) -> None:
    resting, awake, _ = worlds
    assert RESTS in page(admin_client, f"/admin/trading/trader/{resting.pk}/change/")
    assert "rests until" not in page(admin_client, f"/admin/trading/trader/{awake.pk}/change/")


def test_figures_are_those_of_the_world_that_runs(admin_client: Client, worlds: list[Trader]) -> None:
    overview = page(admin_client, "/admin/")
    assert "222" in overview
    assert not [other for other in ("111", "333", "333.", "666") if f"+{other}" in overview]
    assert f"1 trader of another world: {RESTS}" in overview
    assert "1 trader with an error" in overview


def test_band_names_the_world(admin_client: Client, worlds: list[Trader]) -> None:
    assert "Paper: real prices, mock exchange" in page(admin_client, "/admin/trading/trader/")


def test_risk_limits_can_be_set_for_each_world(admin_client: Client, worlds: list[Trader]) -> None:
    form = page(admin_client, "/admin/trading/accountprotections/add/")
    assert f'value="{REPLAY}"' in form
    AccountProtections.objects.create(venue=PAPER, quote_asset="USDT")
    assert "Paper" in page(admin_client, "/admin/trading/accountprotections/")


def test_trading_control_names_the_world_and_keeps_the_exchange(admin_client: Client, worlds: list[Trader]) -> None:
    shown = page(admin_client, "/admin/trading/switch/")
    assert "paper trading" in shown
    answer = admin_client.post("/admin/trading/switch/", {"venue": "mock"}, follow=True)
    assert "New traders now trade on mock/paper." in answer.content.decode()


def test_status_tells_what_rests(worlds: list[Trader]) -> None:
    out = StringIO()
    with pytest.raises(SystemExit):
        call_command("status", json=True, stdout=out)
    told = json.loads(out.getvalue())
    assert told["venue"] == "mock/paper"
    assert told["resting"]["mock"] == {"traders": 1, "reason": f"{RESTS}: the mock runs mock/paper."}
    assert set(told["resting"]) == {"mock", REPLAY}


@pytest.mark.parametrize("command", ["reconcile", "audit", "check_exchange"])
def test_who_asks_for_one_that_rests_is_told_so(worlds: list[Trader], command: str) -> None:
    with pytest.raises(CommandError, match=RESTS):
        call_command(command, "mock/simulated")


def test_profit_of_each_can_be_asked_for(worlds: list[Trader]) -> None:
    for venue, profit in ((Venue.MOCK, "111"), (PAPER, "222"), (REPLAY, "333")):
        out = StringIO()
        call_command("profit", "--venue", venue.shown, stdout=out)
        assert profit in out.getvalue()

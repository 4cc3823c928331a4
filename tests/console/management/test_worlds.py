"""`make run` says which world it is; what was traded before there were several goes to one."""

from decimal import Decimal
from pathlib import Path

import pytest
from django.core.management import call_command
from pytest_django import Settings

from binance_mock.state.store import Store
from hedgehog_project.venues import Venue, mock_world
from hedgehog_project.venues.account_files import FILE, file_of, is_of_no_world
from tests.support.rows import make_order, make_trader
from trading.models import AccountProtections, Listing, Order, Switch, Symbol, Trader

pytestmark = pytest.mark.django_db(transaction=True)

PAPER = Venue("mock/paper")


@pytest.fixture
def traders(symbol: Symbol) -> list[Trader]:
    found = [make_trader(symbol, slot) for slot in (1, 2)]
    make_order(found[0])
    return found


def store(home: Path) -> None:
    Store(home / FILE).close()


def run(capsys: pytest.CaptureFixture[str], last_market: str = "") -> list[str]:
    call_command("worlds", last_market=last_market)
    return capsys.readouterr().out.splitlines()


def test_it_names_the_world_and_those_that_rest(
    traders: list[Trader], settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.HEDGEHOG_HOME = tmp_path
    assert run(capsys) == ["World: Mock, simulated."]
    settings.MARKET = "live"
    assert run(capsys) == ["World: Paper. 2 traders of mock/simulated rest until MARKET=simulated is back."]


def test_what_was_traded_before_belongs_to_the_market_of_the_last_run(
    traders: list[Trader], settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.HEDGEHOG_HOME, settings.MARKET = tmp_path, "live"
    store(tmp_path)
    AccountProtections.objects.create(venue="mock", quote_asset="USDT", max_exposure=Decimal(1))
    assert run(capsys, "live") == [
        "What was traded on the mock exchange so far belongs to mock/paper from now on.",
        "World: Paper.",
    ]
    for model in (Trader, Order, Listing, AccountProtections):
        assert set(model._default_manager.values_list("venue", flat=True)) == {"mock/paper"}
    assert Switch.current() == mock_world() == PAPER
    assert [path.name for path in tmp_path.glob("*.sqlite3")] == [file_of(PAPER)]
    assert run(capsys, "live") == ["World: Paper."]


def test_simulated_keeps_what_it_has(
    traders: list[Trader], settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.HEDGEHOG_HOME = tmp_path
    store(tmp_path)
    run(capsys, "simulated")
    assert Trader.resting() == {}
    assert is_of_no_world(tmp_path), "until the mock opens it"
    opened = Store(tmp_path / FILE)
    opened.belongs_to("mock/simulated")
    opened.close()
    settings.MARKET = "live"
    run(capsys, "live")
    assert (tmp_path / FILE).exists()
    assert Trader.objects.filter(venue="mock").count() == 2

"""A symbol that the exchange does not list, or lets nobody trade: said wherever the symbol is."""

import json
from datetime import timedelta
from html import unescape
from io import StringIO
from typing import Any

import pytest
import redis
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.db.models import F
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from console.why import why
from hedgehog_project.venues import Venue
from tests.support.exchanges.market import MockExchange
from tests.support.exchanges.scripted_exchange import ScriptedExchange, raises
from tests.support.heartbeats import all_well
from tests.trading.conftest import make_symbol
from trading.core.events import TradeSeen
from trading.exchange.client import exchange_at
from trading.exchange.codes import from_api
from trading.exchange.errors import OutcomeUnknown, Refused, Why
from trading.exchange.protocol import ListedSymbol
from trading.models import Listing, ListingProblem, Symbol, Trader
from trading.models.symbols import GONE, Problem, TradingStatus
from trading.symbols import listings, refreshing, said
from trading.symbols.listings import named
from trading.symbols.turning import set_trading, turn
from trading.traders import acting

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.databases]

WORDS = "The mock exchange does not list ETHUSDTT; did you mean ETHUSDT"


def run(*command: str) -> tuple[str, str]:
    out = StringIO()
    try:
        call_command(*command, stdout=out, stderr=StringIO())
    except CommandError as error:
        return out.getvalue(), str(error)
    except SystemExit:
        pass  # `status`, where a process is down.
    return out.getvalue(), ""


@pytest.fixture
def misspelt(db: None, at_mock: MockExchange, redis_client: object) -> Symbol:
    """Turned on by the first start, which can't ask; then the leader has asked."""
    symbol = named("ETHUSDTT")
    set_trading(symbol, True)
    refreshing.refresh_listings(exchange_at)
    return symbol


def test_what_the_exchange_said_is_kept_with_the_names_that_are_spelled_alike(misspelt: Symbol) -> None:
    row = ListingProblem.objects.get()
    assert (row.symbol, row.venue, row.problem) == (misspelt, Venue.MOCK, Problem.NOT_LISTED)
    assert row.near[0] == "ETHUSDT"
    assert "Invalid symbol" in row.said
    ListingProblem.objects.update(said_at=F("said_at") - timedelta(hours=1))
    refreshing.refresh_listings(exchange_at)
    assert timezone.now() - ListingProblem.objects.get().said_at < timedelta(minutes=1)


def test_it_is_said_on_every_page_that_shows_the_symbol(admin_client: Client, misspelt: Symbol) -> None:
    pages = (
        reverse("admin:index"),
        reverse("admin:trading_symbol_changelist"),
        reverse("admin:trading_symbol_change", args=(misspelt.pk,)),
    )
    for page in pages:
        assert WORDS in unescape(admin_client.get(page).content.decode()), page


def test_it_is_said_by_every_command_that_shows_the_symbol(misspelt: Symbol) -> None:
    assert WORDS in run("status")[0]
    assert WORDS in run("why", "ETHUSDTT")[0]
    assert WORDS in run("symbols", "list")[0]
    (line,) = json.loads(run("status", "--json")[0])["symbols"]
    assert line["exchange_says"].startswith(WORDS)


def test_only_what_is_wrong_is_said(misspelt: Symbol, redis_client: "redis.Redis") -> None:
    all_well(redis_client)
    (reason,) = why(Symbol.objects.get(), []).reasons
    assert reason.text.startswith(WORDS)
    assert "no price yet" not in run("status")[0]


def test_a_check_asks_now_and_names_the_setting_that_a_symbol_came_by(
    at_mock: MockExchange, redis_client: object, settings: Any
) -> None:
    settings.HEDGEHOG_SYMBOLS = ["ETHUSDT", "ETHUSDTT"]
    for name in ("ETHUSDT", "ETHUSDTT", "BTCUSD"):
        set_trading(named(name), True)
    out, error = run("symbols", "check")
    assert [line.rstrip("?").partition(" or ")[0] for line in out.splitlines()] == [
        "The mock exchange does not list BTCUSD; did you mean BTCUSDT",
        f"HEDGEHOG_SYMBOLS: {WORDS}",
    ]
    assert error == "2 of 3 cannot be traded at mock."
    turn(list(Symbol.objects.exclude(name="ETHUSDT")), TradingStatus.OFF)
    assert run("symbols", "check") == ("1 active symbol checked; all can be traded at mock.\n", "")
    # For the banner of `make run`, which shows each line as a warning.
    quiet = StringIO()
    call_command("symbols", "check", verbosity=0, stdout=quiet)
    assert quiet.getvalue() == ""
    turn(list(Symbol.objects.all()), TradingStatus.OFF)
    assert run("symbols", "check") == ("No symbol is on at mock.\n", "")


def test_trade_refuses_to_turn_it_on_and_says_what_may_be_meant(at_mock: MockExchange) -> None:
    _, error = run("trade", "ETHUSDTT", "on")
    assert error == "mock does not list ETHUSDTT; did you mean ETHUSDT or ETCUSDT?"
    assert not Symbol.objects.exists()
    _, error = run("trade", "ETHUSDTT", "BTCUSDDT", "SOLUDST", "on")
    assert error.startswith("mock does not list ETHUSDTT, BTCUSDDT, SOLUDST; did you mean ")
    assert "ETHUSDT" in error.partition(";")[2]
    _, error = run("trade", "QQQQQ", "on")
    assert error.endswith("for example ETHUSDT.")


def test_why_says_of_an_unknown_symbol_what_may_be_meant(at_mock: MockExchange) -> None:
    assert run("why", "ETHUSD")[1] == run("trade", "ETHUSD", "on")[1]
    assert run("why", "ETHUSD")[1].startswith("mock does not list ETHUSD; did you mean ETHUSDT")
    assert run("why", "QQQQQ")[1] == "mock does not list QQQQQ. Check the spelling, for example ETHUSDT."
    assert run("why", "BTCUSDT")[1] == "BTCUSDT was never turned on. Run `manage.py trade BTCUSDT on`."
    assert not Symbol.objects.exists()


def test_why_knows_similar_names_without_an_exchange_too(symbol: Symbol) -> None:
    assert run("why", "ETHUSD")[1] == "ETHUSD was never turned on; did you mean ETHUSDT?"


def test_the_button_refuses_it_as_well_while_the_word_is_fresh(admin_client: Client, misspelt: Symbol) -> None:
    turn([misspelt], TradingStatus.OFF)
    button = reverse("admin:trading_symbol_turn", args=(misspelt.pk, "trading", "on"))
    assert WORDS in unescape(admin_client.post(button, follow=True).content.decode())
    misspelt.settings.refresh_from_db()
    assert misspelt.settings.status == TradingStatus.OFF
    # Nobody asks about what is off: an older word may be out of date.
    ListingProblem.objects.update(said_at=F("said_at") - timedelta(minutes=2))
    admin_client.post(button)
    misspelt.settings.refresh_from_db()
    assert misspelt.settings.status == TradingStatus.ON


def test_once_it_is_listed_nothing_is_said_any_more(at_mock: MockExchange, redis_client: object) -> None:
    symbol = named("XRPUSDT")
    said.not_listed(symbol, Venue.MOCK, "Invalid symbol", list)
    set_trading_anyway(symbol)
    refreshing.refresh_listings(exchange_at)
    assert Listing.objects.get(symbol=symbol).status == "TRADING"
    assert not ListingProblem.objects.exists()
    assert said.of(Venue.MOCK, [symbol]) == {}


def set_trading_anyway(symbol: Symbol) -> None:
    ListingProblem.objects.update(said_at=F("said_at") - timedelta(hours=1))
    set_trading(symbol, True)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("BREAK", "The mock exchange lists ETHUSDT, but it cannot be traded now (status BREAK)."),
        (GONE, "The mock exchange no longer lists ETHUSDT."),
    ],
)
def test_a_listing_that_does_not_trade_is_said_as_well(
    admin_client: Client, symbol: Symbol, status: str, words: str
) -> None:
    Listing.objects.update(status=status)
    assert words in run("status")[0]
    for page in ("admin:index", "admin:trading_symbol_changelist"):
        assert words in unescape(admin_client.get(reverse(page)).content.decode())


@pytest.mark.parametrize("text", ["This symbol is not permitted", "This symbol is restricted"])
def test_that_the_account_may_not_trade_it_is_said_until_it_is_no_longer_refused(
    trader: Trader, exchange: ScriptedExchange, text: str
) -> None:
    refused = from_api(_api_error(f"{text} for this account."))
    assert isinstance(refused, Refused)
    assert refused.why == Why.NOT_PERMITTED
    exchange.before.append(raises(refused))
    acting.wake(trader.pk, TradeSeen("ETHUSDT", 1, trader.budget, 0), exchange)
    (words,) = said.of(Venue.MOCK, [trader.symbol]).values()
    assert words.startswith("The mock exchange does not allow this account to trade ETHUSDT: ")
    assert text in words
    assert words in map(str, why(trader.symbol, []).reasons)
    # Refused orders are tried again each minute.
    ListingProblem.objects.update(said_at=F("said_at") - timedelta(minutes=6))
    assert said.of(Venue.MOCK, [trader.symbol]) == {}


def _api_error(message: str) -> Any:
    error: Any = type("Answer", (), {})()
    error.code, error.status_code, error.message, error.response = -2010, 400, message, None
    return error


def test_an_exchange_that_is_away_says_nothing_of_a_symbol(symbol: Symbol, exchange: ScriptedExchange) -> None:
    def away(symbol: str) -> ListedSymbol:
        raise OutcomeUnknown("No valid response")

    exchange.listed = away  # type: ignore[method-assign]
    with pytest.raises(OutcomeUnknown):
        listings.refresh(symbol, Venue.MOCK, exchange)
    assert not ListingProblem.objects.exists()


def test_where_names_can_not_be_had_the_symbol_is_said_without_advice(exchange: ScriptedExchange) -> None:
    symbol = make_symbol("ABCUSDT")
    Listing.objects.all().delete()
    with pytest.raises(Refused):
        listings.refresh(symbol, Venue.MOCK, exchange)  # it lists nothing, and fails when asked for all
    assert said.of(Venue.MOCK, [symbol]) == {symbol.pk: "The mock exchange does not list ABCUSDT: check the spelling"}
    with pytest.raises(ValidationError, match="does not list ABCUSDT"):
        set_trading(symbol, True)

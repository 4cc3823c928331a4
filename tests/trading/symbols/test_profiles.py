"""Changing many symbols' settings: by values, and by profiles."""

from datetime import timedelta
from decimal import Decimal as D

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, DjangoCaptureOnCommitCallbacks

from tests.support.rows import make_trader
from tests.support.settings import give, of_strategy
from tests.trading.conftest import make_symbol
from trading.models import Listing, Profile, Symbol, SymbolProtections, Trader, TradingSettings
from trading.symbols import profiles
from trading.symbols.listings import named

pytestmark = [pytest.mark.django_db, pytest.mark.databases, pytest.mark.usefixtures("seeded_profiles")]


def settings_of(symbol: Symbol) -> TradingSettings:
    return TradingSettings.objects.get(symbol=symbol)


@pytest.mark.parametrize("name", ["careful", "lively"])
def test_seeded_profiles_can_be_applied(symbol: Symbol, name: str) -> None:
    profile = Profile.objects.get(name=name)
    TradingSettings.objects.update(budget=D(600))
    assert profiles.apply(profile, [symbol]) == profiles.Changed(1)
    row = settings_of(symbol)
    assert {name: row.strategy_settings.get(name, row.max_slots) for name in profile.values} == profile.values
    assert row.profile == profile
    row.full_clean()


def test_what_a_profile_does_not_name_stays(symbol: Symbol) -> None:
    profile = Profile.objects.create(name="wide", values={"profit_interval": "0.02000001"})
    profiles.apply(profile, [symbol])
    row = settings_of(symbol)
    assert (of_strategy(row, "profit_interval"), of_strategy(row, "buy_down_interval"), row.budget) == (
        D("0.02000001"),
        D("0.001"),
        D(200),
    )
    assert (row.status, row.max_slots) == ("on", 1)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"status": "on"}, "unknown setting"),
        ({"profit": "1"}, "unknown setting"),
        ({"profit_interval": "0"}, "Must be above 0"),
        ({"max_slots": 0}, "greater than or equal to 1"),
        ({"budget": "much"}, "not a number"),
    ],
)
def test_profile_of_what_can_not_be_changes_nothing(symbol: Symbol, values: dict[str, object], told: str) -> None:
    profile = Profile.objects.create(name="odd", values=values)
    before = TradingSettings.objects.values().get()
    with pytest.raises(ValidationError, match=told):
        profiles.apply(profile, [symbol])
    assert TradingSettings.objects.values().get() == before


def test_who_is_traded_keeps_what_works(symbol: Symbol) -> None:
    quiet = named("BTCUSDT")
    changed = profiles.change([symbol, quiet], {"budget": D(3)})
    assert changed.count == 1
    assert "below the min notional of ETHUSDT at mock, 5" in changed.problems["ETHUSDT"]
    assert (settings_of(symbol).budget, settings_of(quiet).budget) == (D(200), D(3))


def test_settings_of_a_halted_symbol_can_be_changed(symbol: Symbol) -> None:
    Listing.objects.update(status="BREAK")
    assert profiles.change([symbol], {"budget": D(700)}) == profiles.Changed(1)
    assert settings_of(symbol).budget == D(700)
    assert (
        "below the min notional of ETHUSDT at mock, 5"
        in profiles.change([symbol], {"budget": D(3)}).problems["ETHUSDT"]
    )


def test_profile_sets_sizing(symbol: Symbol) -> None:
    values = {"sizing": "share", "balance_share": "0.05", "compounds": True}
    profiles.apply(Profile.objects.create(name="part", values=values), [symbol])
    row = settings_of(symbol)
    assert (row.sizing, row.balance_share, row.compounds) == ("share", D("0.05"), True)
    assert row.size_in_words == "5 % of free USDT, 1 slot"


def test_protections_of_many_change_and_their_others_stay(symbol: Symbol) -> None:
    bare = make_symbol("BTCUSDT")
    SymbolProtections.objects.create(symbol=symbol, max_open_orders=3, max_exposure=D(50), deny_in_gaps=True)
    profile = Profile.objects.create(name="safe", values={"max_exposure": "300.5", "max_consecutive_losses": 2})
    assert profiles.apply(profile, [symbol, bare]) == profiles.Changed(2)
    limits = "max_exposure", "max_consecutive_losses", "max_open_orders", "deny_in_gaps", "cooldown_minutes"
    rows = SymbolProtections.objects.order_by("symbol__name").values_list(*limits)
    assert list(rows) == [(D("300.5"), 2, None, False, 60), (D("300.5"), 2, 3, True, 60)]
    assert [settings_of(each).profile for each in (symbol, bare)] == [profile, profile]
    profiles.change([symbol], {"max_exposure": None})
    assert SymbolProtections.objects.get(symbol=symbol).max_exposure is None
    assert settings_of(symbol).profile is None


def test_who_keeps_its_settings_keeps_its_protections(symbol: Symbol) -> None:
    changed = profiles.change([symbol], {"budget": D(3), "max_open_orders": 1})
    assert list(changed.problems) == ["ETHUSDT"]
    assert not SymbolProtections.objects.exists()


def test_whoever_protections_deny_tries_again_once_they_change(
    symbol: Symbol, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    denied, other = make_trader(symbol), make_trader(make_symbol("BTCUSDT"))
    later = timezone.now() + timedelta(minutes=1)
    Trader.objects.update(retry_at=later)
    with django_capture_on_commit_callbacks(execute=True):
        profiles.change([symbol], {"max_exposure": D(900)})
    denied.refresh_from_db()
    other.refresh_from_db()
    assert denied.retry_at is not None and denied.retry_at <= timezone.now()
    assert other.retry_at == later


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["budget"], "from the next cycle"),
        (["max_exposure"], "immediately"),
        (["pause_minutes", "most_bound"], "immediately"),
        (["budget", "max_exposure"], "from the next cycle, risk limits immediately"),
    ],
)
def test_from_when_on_a_change_applies_is_told(names: list[str], told: str) -> None:
    assert profiles.when(names) == told


def test_another_change_takes_the_profile_off(symbol: Symbol) -> None:
    TradingSettings.objects.update(profile=Profile.objects.get(name="lively"))
    profiles.change([symbol], {"budget": D(700)})
    assert settings_of(symbol).profile is None


def test_deleted_profile_leaves_the_settings(symbol: Symbol) -> None:
    profile = Profile.objects.get(name="lively")
    profiles.apply(profile, [symbol])
    profile.delete()
    assert of_strategy(settings_of(symbol), "buy_down_interval") == D("0.0005")


def test_cycles_under_way_keep_what_they_began_with(symbol: Symbol) -> None:
    trader = make_trader(symbol)
    profiles.change([symbol], {"budget": D(700)})
    trader.refresh_from_db()
    assert trader.budget == D(200)


def test_hundreds_change_in_few_queries(django_assert_max_num_queries: DjangoAssertNumQueries) -> None:
    make_symbol()
    Symbol.objects.bulk_create([Symbol(name=f"A{n}USDT", quote_asset="USDT") for n in range(500)])
    every = list(Symbol.objects.all())
    TradingSettings.objects.bulk_create([TradingSettings(symbol=symbol) for symbol in every if symbol.name[0] == "A"])
    with django_assert_max_num_queries(20):
        assert profiles.change(every, {"max_slots": 2, "max_open_orders": 4}).count == 501
    assert SymbolProtections.objects.filter(max_open_orders=4).count() == 501
    assert set(TradingSettings.objects.values_list("max_slots", flat=True)) == {2}


def test_what_two_strategies_call_the_same_outlives_a_change_and_so_does_what_one_alone_reads(symbol: Symbol) -> None:
    give(profit_interval=D("0.003"), rebuy_interval=None, stop_loss_interval=D("0.02"))
    profiles.change([symbol], {"strategy": "trailing"})
    row = settings_of(symbol)
    assert row.strategy == "trailing"
    assert (of_strategy(row, "profit_interval"), of_strategy(row, "rebuy_interval")) == (D("0.003"), None)
    assert of_strategy(row, "trail_interval") == D("0.002")
    profiles.change([symbol], {"strategy": "naive"})
    assert of_strategy(settings_of(symbol), "stop_loss_interval") == D("0.02")


def test_strategy_that_is_not_there_is_told_and_changes_nothing(symbol: Symbol) -> None:
    changed = profiles.change([symbol], {"strategy": "genius"})
    assert "genius" in changed.problems["ETHUSDT"]
    assert settings_of(symbol).strategy == "naive"


def test_what_may_be_empty_can_be_made_empty(symbol: Symbol) -> None:
    profiles.change([symbol], {"stop_loss_interval": D("0.02")})
    profiles.apply(Profile.objects.create(name="brave", values={"stop_loss_interval": None}), [symbol])
    assert of_strategy(settings_of(symbol), "stop_loss_interval") is None


def test_a_profile_may_name_settings_by_their_old_names(symbol: Symbol) -> None:
    limits = {"losses_in_a_row": 2, "pause_minutes": 9, "most_trade_age_s": 3, "heeds_gaps": True}
    profile = Profile.objects.create(name="old", values={"chunks": 4, **limits})
    assert profiles.apply(profile, [symbol]) == profiles.Changed(1)
    assert settings_of(symbol).max_slots == 4
    found = SymbolProtections.objects.get()
    assert (found.max_consecutive_losses, found.cooldown_minutes) == (2, 9)
    assert (found.max_price_age_s, found.deny_in_gaps) == (3, True)

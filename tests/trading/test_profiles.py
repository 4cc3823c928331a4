"""Changing many symbols' settings: by values, and by profiles."""

from decimal import Decimal as D

import pytest
from django.core.exceptions import ValidationError
from pytest_django import DjangoAssertNumQueries

from tests.trading.conftest import make_symbol
from tests.trading.rows import make_trader
from trading import profiles
from trading.models import Profile, Symbol, TradingSettings
from trading.symbols import named

pytestmark = [pytest.mark.django_db, pytest.mark.databases, pytest.mark.usefixtures("seeded_profiles")]


def settings_of(symbol: Symbol) -> TradingSettings:
    return TradingSettings.objects.get(symbol=symbol)


@pytest.mark.parametrize("name", ["careful", "lively"])
def test_seeded_profiles_can_be_applied(symbol: Symbol, name: str) -> None:
    profile = Profile.objects.get(name=name)
    TradingSettings.objects.update(budget=D(600))
    assert profiles.apply(profile, [symbol]) == profiles.Changed(1)
    row = settings_of(symbol)
    assert profiles.as_text({each: getattr(row, each) for each in profile.values}) == profile.values
    assert row.profile == profile
    row.full_clean()


def test_what_a_profile_does_not_name_stays(symbol: Symbol) -> None:
    profile = Profile.objects.create(name="wide", values={"profit_interval": "0.02000001"})
    profiles.apply(profile, [symbol])
    row = settings_of(symbol)
    assert (row.profit_interval, row.buy_down_interval, row.budget) == (D("0.02000001"), D("0.001"), D(200))
    assert (row.status, row.chunks) == ("on", 1)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"status": "on"}, "no setting"),
        ({"profit": "1"}, "no setting"),
        ({"profit_interval": "0"}, "Must be above 0"),
        ({"chunks": 0}, "greater than or equal to 1"),
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
    assert "takes no order of ETHUSDT under 5" in changed.problems["ETHUSDT"]
    assert (settings_of(symbol).budget, settings_of(quiet).budget) == (D(200), D(3))


def test_another_change_takes_the_profile_off(symbol: Symbol) -> None:
    TradingSettings.objects.update(profile=Profile.objects.get(name="lively"))
    profiles.change([symbol], {"budget": D(700)})
    assert settings_of(symbol).profile is None


def test_deleted_profile_leaves_the_settings(symbol: Symbol) -> None:
    profile = Profile.objects.get(name="lively")
    profiles.apply(profile, [symbol])
    profile.delete()
    assert settings_of(symbol).buy_down_interval == D("0.0005")


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
        assert profiles.change(every, {"chunks": 2}).count == 501
    assert set(TradingSettings.objects.values_list("chunks", flat=True)) == {2}


def test_settings_of_another_strategy_are_dropped_with_it(symbol: Symbol) -> None:
    TradingSettings.objects.update(strategy_settings={"profit_interval": "0.003"})
    profiles.change([symbol], {"strategy": "trailing"})
    row = settings_of(symbol)
    assert (row.strategy, row.strategy_settings) == ("trailing", {})


def test_strategy_that_is_not_there_is_told_and_changes_nothing(symbol: Symbol) -> None:
    changed = profiles.change([symbol], {"strategy": "genius"})
    assert "genius" in changed.problems["ETHUSDT"]
    assert settings_of(symbol).strategy == "naive"


def test_what_may_be_empty_can_be_made_empty(symbol: Symbol) -> None:
    profiles.change([symbol], {"stop_loss_interval": D("0.02")})
    profiles.apply(Profile.objects.create(name="brave", values={"stop_loss_interval": None}), [symbol])
    assert settings_of(symbol).stop_loss_interval is None

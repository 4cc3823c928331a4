"""A page that is saved as it was opened changes nothing: no row, no profile, and nothing in the history."""

from collections.abc import Callable
from decimal import Decimal as D
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, User
from django.db.models import Model
from django.test import Client
from django.urls import reverse
from django.utils.html import escape
from django.utils.timezone import now
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask

from tests.support.limited import limit
from tests.support.pages.forms import main_form
from tests.support.settings import give
from trading.models import AccountProtections, Profile, Symbol, SymbolProtections, TradingSettings
from trading.schedule import make_schedule
from trading.symbols import profiles

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("seeded_profiles")]

ROWS: tuple[type[Model], ...] = (
    *(Symbol, TradingSettings, SymbolProtections, AccountProtections, Profile),
    *(PeriodicTask, IntervalSchedule, CrontabSchedule, User, User.groups.through, Group),
)


def rows() -> list[dict[str, Any]]:
    """All rows that a page could have changed, but for the time at which they were saved."""
    found = [row for model in ROWS for row in model._default_manager.order_by("pk").values()]
    return [{name: value for name, value in row.items() if name != "date_changed"} for row in found]


def url_of(row: Model) -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=(row.pk,))


def save_as_it_is(client: Client, row: Model) -> str:
    url = url_of(row)
    page = client.get(url)
    assert page.status_code == 200
    values = {**main_form(page.content.decode()).values, "_save": "Save"}
    return client.post(url, values, follow=True).content.decode()


def plain_settings(symbol: Symbol) -> None:
    profiles.apply(Profile.objects.get(name="careful"), [symbol])


def odd_settings(symbol: Symbol) -> None:
    give(
        TradingSettings.objects.filter(symbol=symbol),
        buy_down_interval=D("0.00012345"),
        rebuy_interval=None,
        retarget_interval=D("0.1"),
        exit_slippage=D("0.00000001"),
        balance_share=D("0.33333333"),
        budget=D("123.45000001"),
        compounds=True,
        profile=Profile.objects.get(name="lively"),
    )


def another_strategy(symbol: Symbol) -> None:
    give(
        TradingSettings.objects.filter(symbol=symbol),
        strategy="trailing",
        trail_interval="0.003",
        profile=Profile.objects.get(name="lively"),
    )


def a_strategy_that_is_gone(symbol: Symbol) -> None:
    give(TradingSettings.objects.filter(symbol=symbol), profit_interval=D("0.0034"))
    TradingSettings.objects.filter(symbol=symbol).update(
        strategy="not-installed", status="off", profile=Profile.objects.get(name="lively")
    )


def with_protections(symbol: Symbol) -> None:
    limit(symbol, max_exposure=D("300.5"), max_consecutive_losses=3, deny_in_gaps=True)
    TradingSettings.objects.filter(symbol=symbol).update(profile=Profile.objects.get(name="lively"))


@pytest.mark.parametrize(
    "prepare", [plain_settings, odd_settings, another_strategy, a_strategy_that_is_gone, with_protections]
)
def test_a_symbol_saved_as_it_is_keeps_its_profile_and_its_history(
    admin_client: Client, symbol: Symbol, prepare: Callable[[Symbol], None]
) -> None:
    prepare(symbol)
    before = rows()
    shown = save_as_it_is(admin_client, symbol)
    assert rows() == before
    assert "Please correct" not in shown
    assert [entry.get_change_message() for entry in LogEntry.objects.all()] == []


def account_protections() -> Model:
    return AccountProtections.objects.create(
        venue="mock", max_drawdown=D("0.0525"), max_exposure=D("1500.5"), drawdown_cancels_buys=False
    )


def a_profile() -> Model:
    return Profile.objects.get(name="careful")


def an_odd_profile() -> Model:
    return Profile.objects.create(
        name="odd",
        about="For nobody.",
        values={
            "profit_interval": "0.0012",
            "rebuy_interval": None,
            "max_slots": 5,
            "compounds": False,
            "sizing": "share",
        },
    )


def a_task() -> Model:
    make_schedule()
    return PeriodicTask.objects.get(name="Gain")


def a_period() -> Model:
    make_schedule()
    return IntervalSchedule.objects.get(every=60)


def a_crontab() -> Model:
    return CrontabSchedule.objects.create(minute="5", hour="4")


def a_person() -> Model:
    # A form shows no microseconds.
    person = User.objects.create_user("anna", password="quite-a-long-one", date_joined=now().replace(microsecond=0))
    person.groups.add(a_group())
    return person


def a_group() -> Any:
    return Group.objects.get_or_create(name="operators")[0]


@pytest.mark.parametrize(
    "row_of",
    [account_protections, a_profile, an_odd_profile, a_task, a_period, a_crontab, a_person, a_group],
)
def test_any_other_page_saved_as_it_is_leaves_rows_and_history_alone(
    admin_client: Client, row_of: Callable[[], Model]
) -> None:
    row = row_of()
    before = rows()
    shown = save_as_it_is(admin_client, row)
    assert "Please correct" not in shown
    assert rows() == before
    assert [entry.get_change_message() for entry in LogEntry.objects.all()] == []


def history_of(client: Client, row: Model, **changed: str) -> str:
    """What the history says after a page was saved with these values."""
    url = url_of(row)
    values = {**main_form(client.get(url).content.decode()).values, **changed, "_save": "Save"}
    assert "Please correct" not in client.post(url, values, follow=True).content.decode()
    history = client.get(url.replace("/change/", "/history/")).content.decode()
    assert "admin" in history
    entry = LogEntry.objects.get()
    assert escape(entry.get_change_message()) in history
    return entry.get_change_message()


def test_the_history_says_what_was_changed_from_what_to_what(admin_client: Client, symbol: Symbol) -> None:
    changed = {"settings-0-budget": "150", "settings-0-profit_interval": "0.25", "protections-0-max_exposure": "300"}
    assert history_of(admin_client, symbol, **changed) == (
        "Budget: 200 → 150; Take profit, %: 0.1 → 0.25; Max exposure: empty → 300"
    )


def test_so_does_that_of_other_pages(admin_client: Client) -> None:
    assert history_of(admin_client, account_protections(), max_drawdown="", max_exposure="9") == (
        "Max exposure: 1500.5 → 9; Max drawdown, %: 5.25 → empty"
    )


def test_it_names_the_period_of_a_task(admin_client: Client) -> None:
    period = IntervalSchedule.objects.create(every=7, period=IntervalSchedule.SECONDS)
    told = history_of(admin_client, a_task(), interval=str(period.pk))
    assert told == "Interval Schedule: every 60 seconds → every 7 seconds"

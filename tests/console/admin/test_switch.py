"""The switch: the venues, and three locks before real money."""

from decimal import Decimal

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from pytest_django.fixtures import Settings

from hedgehog_project.venues import Venue
from trading.models import AccountProtections, Switch

pytestmark = pytest.mark.django_db

PAGE = "/admin/trading/switch/"


@pytest.fixture
def operator(client: Client) -> Client:
    """May turn the switch, but not to real money."""
    user = User.objects.create_user("olga", password="x", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=["view_switch", "change_switch"]))
    client.force_login(user)
    return client


def allow_live_trading(to: Client) -> None:
    user = User.objects.get(pk=to.session["_auth_user_id"])
    user.user_permissions.add(Permission.objects.get(codename="trade_live"))


@pytest.fixture
def keys(settings: Settings) -> None:
    settings.HEDGEHOG_ALLOW_LIVE = True
    # Nobody is there to be asked what these keys may do: test_live_key.py asks.
    settings.HEDGEHOG_ALLOW_WITHDRAW_KEY = True
    for prefix in ("BINANCE", "TESTNET", "DEMO"):
        setattr(settings, f"{prefix}_API_KEY", "topsecretvalue")
        setattr(settings, f"{prefix}_API_SECRET", "topsecretvalue")


def turn(client: Client, venue: str, confirmation: str = "") -> tuple[int, str]:
    answer = client.post(PAGE, {"venue": venue, "confirmation": confirmation}, follow=True)
    return answer.status_code, answer.content.decode()


def test_page_tells_what_each_venue_means_and_what_it_lacks(admin_client: Client) -> None:
    shown = admin_client.get(PAGE).content.decode()
    assert "real orders with real money" in shown
    assert "Real money requires HEDGEHOG_ALLOW_LIVE=1" in shown
    assert "set TESTNET_API_KEY and TESTNET_API_SECRET" in shown
    assert 'name="confirmation"' not in shown


@pytest.mark.parametrize("venue", [Venue.TESTNET, Venue.DEMO])
def test_turning_is_written_down_with_its_author(operator: Client, keys: None, venue: Venue) -> None:
    status, shown = turn(operator, venue)
    assert (status, Switch.current()) == (200, venue)
    assert f"New traders now trade on {venue}" in shown
    assert Switch.objects.get().changed_by == "olga"
    entry = LogEntry.objects.get()
    assert (entry.user.get_username(), entry.change_message) == (
        "olga",
        f"Venue for new traders changed from mock to {venue}.",
    )


def test_live_with_all_three_locks_open(operator: Client, keys: None) -> None:
    allow_live_trading(operator)
    assert 'name="confirmation"' in operator.get(PAGE).content.decode()
    assert turn(operator, "live", " Live ")[0] == 200
    assert Switch.current() == Venue.LIVE


def test_real_money_begins_with_limits_that_stay_as_a_person_leaves_them(operator: Client, keys: None) -> None:
    allow_live_trading(operator)
    _, shown = turn(operator, "live", "live")
    assert "Limits were set for it: at most 100 USDT in open buys and positions" in shown
    limits = AccountProtections.objects.get(venue=Venue.LIVE)
    assert (limits.max_exposure, limits.max_drawdown) == (Decimal(100), Decimal("0.05"))
    assert limits.drawdown_mode == "reducing"

    AccountProtections.objects.update(max_exposure=None)
    turn(operator, "mock")
    assert not AccountProtections.objects.exclude(venue=Venue.LIVE).exists()
    _, shown = turn(operator, "live", "live")
    assert "Limits were set" not in shown
    assert AccountProtections.objects.get().max_exposure is None


def test_live_without_the_setting_is_refused(operator: Client, keys: None, settings: Settings) -> None:
    settings.HEDGEHOG_ALLOW_LIVE = False
    allow_live_trading(operator)
    status, shown = turn(operator, "live", "live")
    assert (status, Switch.current()) == (400, Venue.MOCK)
    assert "HEDGEHOG_ALLOW_LIVE=1" in shown


def test_live_without_the_permission_is_refused(operator: Client, keys: None) -> None:
    assert "You do not have permission to trade real money." in operator.get(PAGE).content.decode()
    assert (turn(operator, "live", "live")[0], Switch.current()) == (403, Venue.MOCK)


@pytest.mark.parametrize("confirmation", ["", "yes", "liv"])
def test_live_without_the_word_is_refused(operator: Client, keys: None, confirmation: str) -> None:
    allow_live_trading(operator)
    status, shown = turn(operator, "live", confirmation)
    assert (status, Switch.current()) == (400, Venue.MOCK)
    assert "must be confirmed" in shown


def test_refusals_write_nothing_down(operator: Client) -> None:
    turn(operator, "live", "live")
    turn(operator, "testnet")
    turn(operator, "moon")
    assert not Switch.objects.exists()
    assert not LogEntry.objects.exists()


def test_who_may_only_look_cannot_turn(client: Client, keys: None) -> None:
    user = User.objects.create_user("vera", password="x", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_switch"))
    client.force_login(user)
    assert "Trade on testnet" not in client.get(PAGE).content.decode()
    assert turn(client, "testnet")[0] == 403


def test_who_may_not_look_sees_nothing(client: Client) -> None:
    client.force_login(User.objects.create_user("nemo", password="x", is_staff=True))
    assert client.get(PAGE).status_code == 403


def test_no_secret_is_shown(operator: Client, keys: None) -> None:
    assert "topsecretvalue" not in operator.get(PAGE).content.decode()


def test_the_row_itself_has_no_page_of_its_own(admin_client: Client) -> None:
    Switch.objects.create(pk=1)
    assert admin_client.get(reverse("admin:trading_switch_change", args=(1,))).headers["Location"] == PAGE
    assert admin_client.get(reverse("admin:trading_switch_add")).status_code == 403
    assert admin_client.post(reverse("admin:trading_switch_delete", args=(1,)), {"post": "yes"}).status_code == 403

"""The mock account's page in the admin."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from hedgehog_project.ports import free_port
from tests.binance_mock.running import KEY, Mock

pytestmark = pytest.mark.django_db
PAGE = "admin:binance_mock_mockaccount_changelist"


@pytest.fixture
def shown(mock: Mock, settings: Any) -> Iterator[Mock]:
    """The mock exchange where the admin looks for it."""
    settings.MOCK_PORT, settings.MOCK_API_KEY = mock.port, KEY
    yield mock


def page(client: Client) -> str:
    answer = client.get(reverse(PAGE))
    assert answer.status_code == 200
    return answer.content.decode()


def user_with(*permissions: str) -> Client:
    user = User.objects.create_user("ann", password="x", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


def test_balances_and_open_orders_are_shown(shown: Mock, admin_client: Client) -> None:
    shown.client().order_limit_buy(symbol="ETHUSDT", quantity="1", price="2990.00", newClientOrderId="see-me")
    text = page(admin_client)
    assert "see-me" in text
    assert "97010" in text
    assert "2990" in text
    assert "Reset the mock account" in text


def test_the_account_is_reset_by_a_button(shown: Mock, admin_client: Client) -> None:
    shown.client().order_limit_buy(symbol="ETHUSDT", quantity="1", price="2990.00")
    answer = admin_client.post(reverse(PAGE), follow=True)
    assert "Mock account reset" in answer.content.decode()
    assert [entry.object_repr for entry in LogEntry.objects.all()] == ["Mock account"]
    assert shown.state()["openOrders"] == []


def test_who_may_only_look_can_not_reset(shown: Mock) -> None:
    client = user_with("view_mockaccount")
    assert "Reset the mock account" not in page(client)
    assert client.post(reverse(PAGE)).status_code == 403


def test_the_permission_to_reset_is_one_of_its_own(shown: Mock) -> None:
    client = user_with("view_mockaccount", "reset_mockaccount")
    assert "Reset the mock account" in page(client)
    assert client.post(reverse(PAGE)).status_code == 302


def test_who_may_not_look_sees_nothing(shown: Mock) -> None:
    assert user_with().get(reverse(PAGE)).status_code == 403


def test_an_exchange_that_does_not_run_is_one_clear_line(admin_client: Client, settings: Any) -> None:
    settings.MOCK_PORT = free_port()
    assert "The mock exchange does not answer at http://127.0.0.1:" in page(admin_client)
    answer = admin_client.post(reverse(PAGE), follow=True)
    assert "The account was not reset." in answer.content.decode()


def test_a_wrong_key_can_not_reset(mock: Mock) -> None:
    answer = mock.session.post(f"{mock.url}/mock/reset", headers={"X-MBX-APIKEY": "wrong"}, timeout=5)
    assert (answer.status_code, answer.json()["code"]) == (401, -2015)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"symbol": "ETHUSDT", "price": "0", "quantity": "1"}, -1102),
        ({"symbol": "ETHUSDT", "price": "NaN", "quantity": "1"}, -1102),
        ({"symbol": "NOSUCH", "price": "1", "quantity": "1"}, -1121),
        ({"price": "1", "quantity": "1"}, -1102),
        ([], -1102),
    ],
)
def test_a_wrong_trade_by_hand_is_refused(mock: Mock, body: Any, code: int) -> None:
    answer = mock.session.post(f"{mock.url}/mock/trade", json=body, headers={"X-MBX-APIKEY": KEY}, timeout=5)
    assert (answer.status_code, answer.json()["code"]) == (400, code)

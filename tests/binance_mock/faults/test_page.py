"""The page of faults in the admin, and what the account's page says of them."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from pytest_django.live_server_helper import LiveServer

from hedgehog_project.ports import free_port
from tests.binance_mock.running import KEY, SECRET, Mock
from tests.binance_mock.test_admin import user_with
from tests.support.pages.chromium import Browser

pytestmark = pytest.mark.django_db
PAGE = "admin:binance_mock_mockfaults_changelist"
ACCOUNT = "admin:binance_mock_mockaccount_changelist"
REFRESH_S = 2


@pytest.fixture
def shown(mock: Mock, settings: Any) -> Iterator[Mock]:
    """The mock exchange where the admin looks for it, without faults."""
    settings.MOCK_PORT, settings.MOCK_API_KEY, settings.MOCK_API_SECRET = mock.port, KEY, SECRET
    mock.clear_faults()
    yield mock
    mock.clear_faults()


def page(client: Client, name: str = PAGE) -> str:
    answer = client.get(reverse(name))
    assert answer.status_code == 200
    return answer.content.decode()


def post(client: Client, **form: str) -> str:
    return client.post(reverse(PAGE), form, follow=True).content.decode()


def on(mock: Mock) -> list[dict[str, Any]]:
    return [fault for fault in mock.faults() if fault["is_on"]]


def test_every_kind_is_listed_with_its_sentence(shown: Mock, admin_client: Client) -> None:
    text = page(admin_client)
    assert "No fault is on." in text
    for kind in shown.session.get(f"{shown.url}/mock/faults", timeout=5).json()["kinds"]:
        assert kind["name"] in text
    assert "eventStreamTerminated: the connection stays open, the subscription ends." in text


def test_a_fault_is_turned_on_with_its_settings_and_off_again(shown: Mock, admin_client: Client) -> None:
    text = post(
        admin_client, action="on", kind="answer_lost", probability="0.25", for_s="60", seed="7", symbol="ethusdt"
    )
    assert "answer_lost is on: 25 %, for 60 s, ETHUSDT, seed 7." in text
    assert "1 fault on." in text
    [fault] = on(shown)
    assert (fault["kind"], fault["probability"], fault["seed"]) == ("answer_lost", 0.25, 7)
    assert "Turned off: answer_lost." in post(admin_client, action="off", which=str(fault["id"]))
    assert on(shown) == []
    assert LogEntry.objects.count() == 2


def test_how_often_each_was_injected_is_shown_also_when_it_ended(shown: Mock, admin_client: Client) -> None:
    shown.fault("overloaded_1008", count=2)
    shown.get("ping")
    assert '<td class="hh-right hh-number">1</td><td class="hh-nowrap">0 s ago</td>' in page(admin_client)
    shown.get("ping")
    assert "No fault is on." in page(admin_client)
    assert "max 2 times" in page(admin_client)


def test_a_setting_that_can_not_be_is_said_and_kept_in_the_form(shown: Mock, admin_client: Client) -> None:
    answer = admin_client.post(reverse(PAGE), {"action": "on", "kind": "user_silent", "probability": "7"})
    text = answer.content.decode()
    assert answer.status_code == 400
    assert "probability must be a number above 0, max 1." in text
    assert "<option selected>user_silent</option>" in text
    assert on(shown) == []


def test_a_mix_is_turned_on_and_all_off(shown: Mock, admin_client: Client) -> None:
    assert "Mix 3 is on:" in post(admin_client, action="mix", mix_seed="3")
    assert len(on(shown)) >= 5
    post(admin_client, action="off", which="all")
    assert on(shown) == []


def test_the_accounts_page_says_that_the_exchange_misbehaves(shown: Mock, admin_client: Client) -> None:
    assert "misbehaves" not in page(admin_client, ACCOUNT)
    shown.fault("user_silent")
    text = page(admin_client, ACCOUNT)
    assert "Active faults:" in text
    assert "user_silent (injected 0 times)" in text


def test_who_may_only_look_can_turn_nothing_on(shown: Mock) -> None:
    client = user_with("view_mockfaults")
    assert "Turn on</button>" not in page(client)
    assert client.post(reverse(PAGE), {"action": "on", "kind": "answer_lost"}).status_code == 403
    assert on(shown) == []


def test_the_permission_to_turn_faults_is_one_of_its_own(shown: Mock) -> None:
    client = user_with("view_mockfaults", "turn_mockfaults")
    assert "Turn on</button>" in page(client)
    post(client, action="on", kind="answer_lost")
    assert [fault["kind"] for fault in on(shown)] == ["answer_lost"]


def test_who_may_not_look_sees_nothing(shown: Mock) -> None:
    assert user_with().get(reverse(PAGE)).status_code == 403


def test_an_exchange_that_does_not_run_is_one_clear_line(admin_client: Client, settings: Any) -> None:
    settings.MOCK_PORT = free_port()
    assert "The mock exchange does not answer at http://127.0.0.1:" in page(admin_client)
    assert "The mock exchange does not answer at" in post(admin_client, action="on", kind="answer_lost")


@pytest.mark.django_db(transaction=True)
def test_the_page_keeps_itself_fresh(shown: Mock, live_server: LiveServer, chromium: Browser) -> None:
    client = Client()
    client.force_login(User.objects.create_superuser("admin"))
    chromium.set_cookie("sessionid", client.cookies["sessionid"].value, live_server.url)
    chromium.open(f"{live_server.url}{reverse(PAGE)}")
    assert "No fault is on." in chromium.text
    chromium.evaluate("document.querySelector('[name=seed]').value = '42'")
    shown.fault("overloaded_1008", count=5)
    shown.get("ping")
    chromium.settle(REFRESH_S + 0.7)
    assert "1 fault on." in chromium.text
    assert "4 times" in chromium.text
    # What is being typed stays.
    assert chromium.evaluate("document.querySelector('[name=seed]').value") == "42"
    # The button works after the page has refreshed itself.
    chromium.evaluate("document.querySelector('#live button').click()")
    chromium.settle(1)
    assert "Turned off: overloaded_1008." in chromium.text
    assert chromium.evaluate("document.documentElement.scrollWidth") <= 1400
    assert chromium.errors == []

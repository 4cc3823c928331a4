"""A page that is not there, or not for this user: it says what to do, and has a way back."""

import pytest
from django.contrib.auth.models import Permission, User
from django.db import OperationalError
from django.test import Client

from console import missing

pytestmark = pytest.mark.django_db
BACK = 'href="/admin/"'


@pytest.mark.parametrize("address", ["/nowhere/", "/admin/trading/nothing/"])
def test_what_is_not_there_has_a_way_back(admin_client: Client, address: str) -> None:
    page = admin_client.get(address, follow=True)
    text = page.content.decode()
    assert page.status_code == 404
    assert "Page not found" in text
    assert "look for it in the menu, or search for it" in text
    assert BACK in text
    assert 'href="/admin/trading/symbol/"' in text


def test_what_is_not_permitted_says_for_whom_and_whom_to_ask(client: Client) -> None:
    viewer = User.objects.create_user("vera", password="x", is_staff=True)
    viewer.user_permissions.set(Permission.objects.filter(codename="view_trader"))
    client.force_login(viewer)
    page = client.get("/admin/trading/symbol/")
    text = page.content.decode()
    assert page.status_code == 403
    assert "vera does not have the permission for this. Ask whoever manages users here" in text
    assert BACK in text


@pytest.mark.parametrize(
    ("page", "query"),
    [
        *((page, query) for page in ("order", "trader", "symbol", "journalentry") for query in ("id__in", "pk__in")),
        ("fill", "order__symbol__id__exact"),
        ("journalentry", "trader__symbol__id__exact"),
    ],
)
def test_a_number_that_no_database_takes_is_no_error(admin_client: Client, page: str, query: str) -> None:
    assert admin_client.get(f"/admin/trading/{page}/?{query}={'9' * 20}", follow=True).status_code == 200


def test_who_may_see_no_symbols_sees_no_account(client: Client) -> None:
    client.force_login(User.objects.create_user("vera", password="x", is_staff=True))
    text = client.get("/admin/").content.decode()
    assert "You may not see the account" in text
    assert "Account value" not in text


def test_who_has_not_logged_in_is_led_there(client: Client) -> None:
    page = client.get("/nowhere/")
    assert page.status_code == 404
    assert 'href="/admin/login/"' in page.content.decode()


def test_without_a_database_it_is_said_in_a_line(admin_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def down(request: object) -> None:
        raise OperationalError("server closed the connection")

    monkeypatch.setattr(missing.admin.site, "each_context", down)
    page = admin_client.get("/nowhere/")
    assert (page.status_code, page.content.decode().partition(".")[0]) == (404, "Page not found")

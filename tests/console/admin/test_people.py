"""Who may change users makes nobody, and himself neither, more than he is."""

from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.test import Client
from django.urls import reverse

from tests.support.pages.forms import main_form

pytestmark = pytest.mark.django_db

OWN = [
    "view_user",
    "change_user",
    "add_user",
    "delete_user",
    "view_group",
    "change_group",
    "add_group",
    "view_symbol",
]


def permission(codename: str) -> Permission:
    return Permission.objects.get(codename=codename)


@pytest.fixture
def clerk() -> User:
    """May change users and groups, and look at symbols."""
    clerk = User.objects.create_user("clerk", password="the-clerks-password", is_staff=True)
    clerk.user_permissions.set([permission(name) for name in OWN])
    return clerk


@pytest.fixture
def as_clerk(clerk: User) -> Client:
    client = Client()
    client.force_login(clerk)
    return client


@pytest.fixture
def boss() -> User:
    return User.objects.create_superuser("boss", password="the-boss's-password")


@pytest.fixture
def trader() -> User:
    """No superuser, but may do what the clerk may not."""
    trader = User.objects.create_user("trader", password="the-traders-password", is_staff=True)
    trader.user_permissions.add(permission("trade_live"))
    return trader


def page_of(user: User) -> str:
    return reverse("admin:auth_user_change", args=(user.pk,))


def password_page_of(user: User) -> str:
    return reverse("admin:auth_user_password_change", args=(user.pk,))


def send(client: Client, url: str, **changes: Any) -> Any:
    """The form of the page, with these changes, whether the form has such fields or not."""
    values = main_form(client.get(url).content.decode()).values
    return client.post(url, {**values, "_save": "Save", **changes})


def test_it_does_not_make_itself_a_superuser(as_clerk: Client, clerk: User) -> None:
    assert send(as_clerk, page_of(clerk), is_superuser="on", first_name="Carla").status_code == 302
    clerk.refresh_from_db()
    assert (clerk.first_name, clerk.is_superuser) == ("Carla", False)


def test_it_does_not_make_another_a_superuser(as_clerk: Client) -> None:
    other = User.objects.create_user("other")
    send(as_clerk, page_of(other), is_superuser="on", is_staff="on")
    other.refresh_from_db()
    assert (other.is_staff, other.is_superuser) == (True, False)


def test_a_new_user_is_none_either(as_clerk: Client) -> None:
    data = {"username": "new", "password1": "quite-a-long-one", "password2": "quite-a-long-one"}
    send(as_clerk, reverse("admin:auth_user_add"), **data, is_superuser="on", usable_password="true")
    assert not User.objects.get(username="new").is_superuser


@pytest.mark.parametrize("whose", ["clerk", "other"])
def test_it_gives_only_permissions_that_it_has(as_clerk: Client, clerk: User, whose: str) -> None:
    user = User.objects.get_or_create(username=whose)[0]
    foreign, own = permission("trade_live"), permission("view_symbol")
    shown = as_clerk.get(page_of(user)).content.decode()
    assert f'<option value="{own.pk}"' in shown
    assert f'<option value="{foreign.pk}"' not in shown
    refused = send(as_clerk, page_of(user), user_permissions=[own.pk, foreign.pk])
    assert (refused.status_code, user.has_perm("trading.trade_live")) == (200, False)
    send(as_clerk, page_of(user), user_permissions=[own.pk])
    assert list(User.objects.get(pk=user.pk).user_permissions.all()) == [own]


def test_it_puts_nobody_into_a_group_that_may_more(as_clerk: Client, clerk: User) -> None:
    group = Group.objects.create(name="traders")
    group.permissions.add(permission("trade_live"))
    assert send(as_clerk, page_of(clerk), groups=[group.pk]).status_code == 200
    assert not clerk.groups.exists()


def test_it_fills_no_group_with_what_it_may_not(as_clerk: Client, clerk: User) -> None:
    group = Group.objects.create(name="clerks")
    clerk.groups.add(group)
    url = reverse("admin:auth_group_change", args=(group.pk,))
    send(as_clerk, url, permissions=[permission("trade_live").pk])
    assert not group.permissions.exists()
    send(as_clerk, url, permissions=[permission("view_symbol").pk])
    assert group.permissions.count() == 1
    send(as_clerk, reverse("admin:auth_group_add"), name="new", permissions=[permission("trade_live").pk])
    assert not Group.objects.filter(name="new").exists()


def test_a_group_that_may_more_is_not_its_to_change(as_clerk: Client) -> None:
    group = Group.objects.create(name="traders")
    group.permissions.add(permission("trade_live"))
    url = reverse("admin:auth_group_change", args=(group.pk,))
    assert as_clerk.post(url, {"name": "renamed"}).status_code == 403
    assert Group.objects.get().name == "traders"


@pytest.mark.parametrize("whose", ["boss", "trader"])
def test_it_sets_no_password_of_who_may_more_and_so_logs_in_as_none(
    as_clerk: Client, boss: User, trader: User, whose: str
) -> None:
    user = User.objects.get(username=whose)
    new = {"password1": "a-new-password-1", "password2": "a-new-password-1", "usable_password": "true"}
    assert as_clerk.get(password_page_of(user)).status_code == 403
    assert as_clerk.post(password_page_of(user), new).status_code == 403
    assert (
        as_clerk.post(page_of(user), {"username": "renamed", "is_active": "", "email": "mine@example"}).status_code
        == 403
    )
    assert as_clerk.get(page_of(user)).status_code == 200, "it may look"
    assert not Client().login(username=whose, password="a-new-password-1")
    user.refresh_from_db()
    assert (user.username, user.is_active) == (whose, True)


def test_an_inactive_one_who_may_more_is_no_way_round(as_clerk: Client, trader: User, boss: User) -> None:
    User.objects.filter(pk__in=[trader.pk, boss.pk]).update(is_active=False)
    for user in (trader, boss):
        assert as_clerk.post(page_of(user), {"username": user.username, "is_active": "on"}).status_code == 403


def test_it_deletes_nobody_who_may_more(as_clerk: Client, boss: User, trader: User) -> None:
    for user in (boss, trader):
        assert as_clerk.post(reverse("admin:auth_user_delete", args=(user.pk,)), {"post": "yes"}).status_code == 403
    chosen = {"action": "delete_selected", "_selected_action": [boss.pk, trader.pk], "post": "yes"}
    as_clerk.post(reverse("admin:auth_user_changelist"), chosen)
    assert User.objects.filter(pk__in=[boss.pk, trader.pk]).count() == 2


def test_it_does_its_work_for_those_who_may_no_more_than_it(as_clerk: Client) -> None:
    other = User.objects.create_user("other")
    other.user_permissions.add(permission("view_symbol"))
    new = {"password1": "a-new-password-1", "password2": "a-new-password-1", "usable_password": "true"}
    assert send(as_clerk, password_page_of(other), **new).status_code == 302
    assert Client().login(username="other", password="a-new-password-1")
    assert as_clerk.post(reverse("admin:auth_user_delete", args=(other.pk,)), {"post": "yes"}).status_code == 302
    assert not User.objects.filter(pk=other.pk).exists()


def test_a_superuser_does_all_of_that(admin_client: Client, boss: User, trader: User) -> None:
    assert send(admin_client, page_of(trader), is_superuser="on").status_code == 302
    trader.refresh_from_db()
    assert trader.is_superuser
    new = {"password1": "a-new-password-1", "password2": "a-new-password-1", "usable_password": "true"}
    assert send(admin_client, password_page_of(boss), **new).status_code == 302
    assert Client().login(username="boss", password="a-new-password-1")
    chosen = {"action": "delete_selected", "_selected_action": [boss.pk], "post": "yes"}
    admin_client.post(reverse("admin:auth_user_changelist"), chosen)
    assert not User.objects.filter(pk=boss.pk).exists()

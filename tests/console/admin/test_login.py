"""Logging in: sixty wrong passwords in a row are not served, and the owner still gets in from elsewhere."""

from datetime import timedelta
from typing import Any

import pytest
import redis
from django.contrib.auth.models import User
from django.db.models import F
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from hedgehog_project import redis as redis_module
from hedgehog_project import tries
from hedgehog_project.ports import free_port
from trading.models import WrongPasswords

pytestmark = [pytest.mark.django_db, pytest.mark.databases]

LOGIN = "/admin/login/"
RIGHT, WRONG = "the-right-password", "wrong"


@pytest.fixture(autouse=True)
def owner(db: None) -> User:
    return User.objects.create_superuser("anna", password=RIGHT)


def try_in(password: str, name: str = "anna", address: str = "203.0.113.7", **headers: str) -> Any:
    return Client(REMOTE_ADDR=address).post(LOGIN, {"username": name, "password": password}, headers=headers)


def is_in(response: Any) -> bool:
    return bool(response.status_code == 302)


def minutes_pass(minutes: float) -> None:
    WrongPasswords.objects.update(last_at=F("last_at") - timedelta(minutes=minutes))


def test_sixty_wrong_passwords_in_a_row_are_not_served() -> None:
    answers = [try_in(f"{WRONG}{number}") for number in range(60)]
    assert [answer.status_code for answer in answers] == [200] * tries.FREE_TRIES + [429] * (60 - tries.FREE_TRIES)
    assert "Too many wrong passwords. Wait a minute before the next try." in answers[-1].content.decode()
    assert 0 < int(answers[-1]["Retry-After"]) <= 61
    # Not even the right one is looked at, which would tell that it is.
    assert try_in(RIGHT).status_code == 429


def test_the_owner_gets_in_from_elsewhere_meanwhile() -> None:
    for _ in range(60):
        try_in(WRONG)
    assert is_in(try_in(RIGHT, address="198.51.100.4"))
    assert try_in(RIGHT).status_code == 429


def test_after_the_wait_the_right_password_is_right_and_all_is_forgotten() -> None:
    for _ in range(tries.FREE_TRIES):
        try_in(WRONG)
    minutes_pass(1.1)
    assert is_in(try_in(RIGHT))
    assert not WrongPasswords.objects.exists()


def test_each_further_wrong_one_makes_the_next_wait_twice_as_long() -> None:
    for _ in range(tries.FREE_TRIES):
        try_in(WRONG)
    for minutes in (1, 2, 4, 8, 15, 15):
        minutes_pass(minutes - 0.1)
        assert try_in(WRONG).status_code == 429
        minutes_pass(0.2)
        assert try_in(WRONG).status_code == 200


def test_tries_that_were_not_looked_at_do_not_count() -> None:
    for _ in range(40):
        try_in(WRONG)
    assert WrongPasswords.objects.get().failures == tries.FREE_TRIES


def test_a_few_mistakes_cost_nothing() -> None:
    for _ in range(tries.FREE_TRIES - 1):
        try_in(WRONG)
    assert is_in(try_in(RIGHT))


def test_one_address_that_tries_many_names_has_to_wait_whatever_it_says_next() -> None:
    answers = [try_in(WRONG, name=f"name{number}") for number in range(60)]
    assert sum(answer.status_code == 200 for answer in answers) == 20
    assert try_in(RIGHT).status_code == 429
    assert is_in(try_in(RIGHT, address="198.51.100.4"))


def test_names_that_nobody_has_wait_as_well() -> None:
    """Else the wait would tell which ones there are."""
    answers = [try_in(WRONG, name="nobody") for _ in range(10)]
    assert answers[-1].status_code == 429
    assert try_in(WRONG, name=" NOBODY ").status_code == 429


def test_a_clock_that_was_set_back_makes_nobody_wait_for_longer() -> None:
    for _ in range(tries.FREE_TRIES):
        try_in(WRONG)
    minutes_pass(-600)
    assert int(try_in(WRONG)["Retry-After"]) <= 61


def test_without_redis_it_holds_as_well(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/0"
    redis_module.connect.cache_clear()
    try:
        with pytest.raises(redis.ConnectionError):
            redis_module.connect().ping()
        assert [try_in(WRONG).status_code for _ in range(10)][-1] == 429
    finally:
        redis_module.connect.cache_clear()


def test_behind_a_web_server_each_visitor_is_its_own(settings: Settings) -> None:
    def by_proxy(password: str, seen: str) -> Any:
        return try_in(password, address="127.0.0.1", **{"X-Forwarded-For": seen})

    # Whoever is connected may say what he likes.
    for number in range(10):
        by_proxy(WRONG, f"10.0.0.{number}")
    assert try_in(RIGHT, address="127.0.0.1").status_code == 429
    WrongPasswords.objects.all().delete()

    settings.PROXIES = 1
    for number in range(10):
        by_proxy(WRONG, f"10.0.0.{number}, 203.0.113.7")
    assert by_proxy(RIGHT, "203.0.113.7").status_code == 429
    assert is_in(by_proxy(RIGHT, "198.51.100.4"))


def test_what_is_a_day_old_is_forgotten() -> None:
    try_in(WRONG)
    minutes_pass(60 * 25)
    try_in(WRONG, name="somebody")
    assert WrongPasswords.objects.get().name == "somebody"


def test_the_page_looks_as_before_and_logs_in(client: Client) -> None:
    assert "Log in" in client.get(LOGIN).content.decode()
    answer = client.post(f"{LOGIN}?next=/admin/", {"username": "anna", "password": RIGHT})
    assert (answer.status_code, answer["Location"]) == (302, "/admin/")
    assert timezone.now() - User.objects.get().last_login < timedelta(minutes=1)  # type: ignore[operator]


def test_wrong_password_is_told_in_one_box_without_a_way_back_to_the_same_page() -> None:
    page = try_in(WRONG).content.decode()
    assert "Please enter the correct username and password" in page
    assert "Please correct the error" not in page
    assert "Return to site" not in page
    assert "Please correct the error" in try_in("").content.decode()

"""What is deleted after its span, and what the settings say."""

from datetime import date, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.utils import timezone
from pytest_django import Settings

from hedgehog_project import checks
from hedgehog_project.venues import Venue
from tests.trading.archive.conftest import days_ago
from tests.trading.conftest import make_symbol
from trading.archive import spans
from trading.core.denials import Rule
from trading.models import DeniedOrder, Reconciliation, WrongPasswords

pytestmark = [pytest.mark.django_db, pytest.mark.databases]


def delete() -> dict[str, int]:
    found = {old.name: sum(old.delete()) for old in spans.old(timezone.now())}
    return {name: rows for name, rows in found.items() if rows}


def deny(day: date) -> DeniedOrder:
    symbol = DeniedOrder.objects.first()
    return DeniedOrder.objects.create(
        venue=Venue.MOCK,
        symbol=symbol.symbol if symbol else make_symbol(),
        rule=next(iter(Rule)),
        day=day,
        last_at=timezone.now(),
        denies_until=days_ago(300),
    )


def test_each_kind_of_row_has_a_span_of_its_own() -> None:
    user = User.objects.create_user("ann")
    for days in (30, 79, 81, 399, 401, 799, 801):
        Reconciliation.objects.create(venue=Venue.MOCK, began_at=days_ago(days))
        deny((timezone.now() - timedelta(days=days)).date())
        WrongPasswords.objects.create(name=f"name {days}", address="::1", last_at=days_ago(days))
        row = LogEntry.objects.create(user=user, action_flag=2, change_message="[]")
        LogEntry.objects.filter(pk=row.pk).update(action_time=days_ago(days))
    Reconciliation.objects.create(venue=Venue.MOCK)
    assert delete() == {
        "reconciliations": 4,
        "counts of denied orders": 3,
        "wrong passwords": 7,
        "history of changes in the admin": 1,
    }
    assert delete() == {}


def test_expired_sessions_go_and_others_stay() -> None:
    for name, days in (("old", 1), ("new", -1)):
        Session.objects.create(session_key=name, session_data="", expire_date=days_ago(days))
    assert delete() == {"expired sessions": 1}
    assert Session.objects.get().session_key == "new"


def test_the_last_comparison_of_a_venue_stays_however_old() -> None:
    for venue in (Venue.MOCK, Venue.LIVE):
        Reconciliation.objects.create(venue=venue, began_at=days_ago(500))
    last = Reconciliation.objects.create(venue=Venue.MOCK, began_at=days_ago(400))
    assert delete() == {"reconciliations": 1}
    assert set(Reconciliation.objects.values_list("venue", flat=True)) == {Venue.MOCK, Venue.LIVE}
    assert Reconciliation.objects.filter(pk=last.pk).exists()


def test_many_rows_go_in_small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spans, "BATCH", 3)
    for n in range(8):
        Session.objects.create(session_key=str(n), session_data="", expire_date=days_ago(1))
    [old] = [each for each in spans.old(timezone.now()) if each.name == "expired sessions"]
    assert list(old.delete()) == [3, 3, 2]


def test_zero_keeps_all(settings: Settings) -> None:
    for name in checks.SPANS:
        setattr(settings, name, 0)
    Reconciliation.objects.create(venue=Venue.MOCK, began_at=days_ago(5000))
    Reconciliation.objects.create(venue=Venue.MOCK)
    WrongPasswords.objects.create(name="ann", address="::1", last_at=days_ago(5000))
    assert delete() == {}
    assert spans.before(spans.JOURNAL, timezone.now()) is None


@pytest.mark.parametrize("days", [-1, 36_501])
def test_a_span_that_is_none_is_an_error(settings: Settings, days: int) -> None:
    settings.KEEP_JOURNAL_DAYS = days
    [error] = checks.check_spans()
    assert "KEEP_JOURNAL_DAYS" in error.msg
    assert error.id == "hedgehog.E014"


def test_all_spans_are_checked() -> None:
    every: list[Any] = [name for name in dir(settings) if name.startswith("KEEP_")]
    assert sorted(every) == sorted(checks.SPANS)
    assert checks.check_spans() == []

"""`manage.py archive`, and a trader's page whose journal is in a file."""

import json
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from console.management.commands.archive import bar, size
from tests.support.commands import said
from tests.trading.archive.conftest import days_ago, make_told_cycle
from tests.trading.conftest import make_symbol
from trading.models import JournalEntry, Trader, WrongPasswords

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.databases]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, settings: Settings) -> Path:
    settings.HEDGEHOG_HOME = tmp_path
    return tmp_path


@pytest.fixture
def old() -> Trader:
    return make_told_cycle(make_symbol(), days_ago(91))


def test_a_dry_run_shows_what_is_due_and_changes_nothing(old: Trader, home: Path) -> None:
    told = said("archive", "--dry-run")
    assert f"{days_ago(91):%Y-%m}" in told
    assert "Dry run: nothing was changed." in told
    assert JournalEntry.objects.count() == 4
    assert not (home / "archive").exists()


def test_it_says_what_it_has_archived_and_lists_the_files(old: Trader) -> None:
    assert said("archive") == "lines of the journal: 4 archived\n"
    assert said("archive") == "Nothing is old enough.\n"
    told = said("archive", "--dry-run")
    assert "No journal to archive" in told
    assert f"journal-{days_ago(91):%Y-%m}.jsonl.gz" in told


def test_a_dry_run_shows_what_is_to_be_deleted() -> None:
    assert "TO DELETE" not in said("archive", "--dry-run")
    WrongPasswords.objects.create(name="ann", address="::1", last_at=days_ago(60))
    told = said("archive", "--dry-run")
    assert "wrong passwords" in told
    assert "reconciliations" not in told
    assert said("archive") == "wrong passwords: 1 deleted\n"


def test_zero_days_archive_nothing(old: Trader, settings: Settings) -> None:
    settings.KEEP_JOURNAL_DAYS = 0
    assert said("archive") == "Nothing is old enough.\n"
    assert "no journal is archived" in said("archive", "--dry-run")


def test_an_archived_journal_is_printed(old: Trader) -> None:
    ids = list(old.journal.order_by("id").values_list("pk", flat=True))
    said("archive")
    lines = said("archive", "--show", str(old.pk)).splitlines()
    assert len(lines) == 4
    assert lines[1].endswith("TRADE 3000  places BUY 0.0667 ETHUSDT at 2997: 0.1 % below ≤ 3000")
    as_json = [json.loads(line) for line in said("archive", "--show", str(old.pk), "--json").splitlines()]
    assert [line["id"] for line in as_json] == ids


def test_what_cannot_be_shown_is_said(old: Trader, home: Path) -> None:
    with pytest.raises(CommandError, match="There is no trader 4711"):
        call_command("archive", "--show", "4711")
    with pytest.raises(CommandError, match="is archived: its page shows it"):
        call_command("archive", "--show", str(old.pk))
    said("archive")
    [path] = home.glob("archive/*.gz")
    path.unlink()
    with pytest.raises(CommandError, match=rf"{path.name} is not in .*: it was written on"):
        call_command("archive", "--show", str(old.pk))


def test_a_folder_that_cannot_be_written_is_said_in_a_line(old: Trader, home: Path) -> None:
    (home / "archive").write_text("a file")
    with pytest.raises(CommandError, match=r"The archive cannot be written: .*Nothing was deleted"):
        call_command("archive")
    assert JournalEntry.objects.count() == 4


def test_the_page_of_an_archived_trader_says_where_its_journal_is(old: Trader, client: Client) -> None:
    client.force_login(User.objects.create_superuser("ann"))
    page = reverse("admin:trading_trader_change", args=(old.pk,))
    assert "in the archive" not in client.get(page).content.decode()
    said("archive")
    told = client.get(page).content.decode()
    assert "Older lines of its journal are in the archive" in told
    assert f"manage.py archive --show {old.pk}" in told
    assert "No events yet" not in told


def test_sizes_and_the_bar() -> None:
    assert [size(each) for each in (0, 999, 1500, 2_500_000, 9_400_000_000)] == [
        "0 B",
        "999 B",
        "1.5 kB",
        "2.5 MB",
        "9.4 GB",
    ]
    assert bar(5, 10) == f"[{'#' * 15}{' ' * 15}]  50%  5 of 10 rows"
    assert bar(12, 10) == f"[{'#' * 30}] 100%  12 of 12 rows"

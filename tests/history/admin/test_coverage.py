"""The page of the past: what is there by month, verify, and delete, which asks first."""

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from history.index import follow
from history.kinds import Kind
from history.models import FileState, HistoryFile
from history.periods import parse
from history.shelf import Shelf
from tests.support.trades import trades

pytestmark = pytest.mark.django_db
OF = ("ETHUSDT", Kind.TRADES)
KEY = "live|trades|ETHUSDT"


@pytest.fixture
def shelf(tmp_path: Path, settings: Any) -> Shelf:
    settings.HEDGEHOG_HOME = tmp_path
    shelf = Shelf(tmp_path)
    shelf.put(*OF, parse("2024-01"), trades(1, 2, 3), ())
    shelf.put(*OF, parse("2024-02"), trades(4, 5, 8), ())
    shelf.put(*OF, parse("2024-04-01"), trades(20, 21), ())
    follow(shelf, *OF)
    return shelf


def who(client: Client, *may: str) -> Client:
    user = User.objects.create_user("who", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=[f"{each}_historyfile" for each in may]))
    client.force_login(user)
    return client


def page(client: Client, query: str = "") -> str:
    answer = client.get(reverse("admin:history_historyfile_changelist") + query)
    assert answer.status_code == 200
    return answer.content.decode()


def do(client: Client, action: str) -> int:
    answer = client.post(reverse("admin:history_historyfile_changelist"), {"of": KEY, "action": action})
    return answer.status_code


def test_each_month_says_what_is_there(client: Client, shelf: Shelf) -> None:
    html = page(who(client, "view"))
    for words in (
        "2024-01: full, 3 rows",
        "2024-02: holes, 3 rows, 2 ids missing",
        "2024-03: none",
        "2024-04: part, 2 rows, 1 of 30 days",
    ):
        assert f'aria-label="{words}"' in html
    assert ">Verify<" not in html
    assert ">Delete…<" not in html


def test_who_may_not_is_refused(client: Client, shelf: Shelf) -> None:
    who(client, "view")
    assert (do(client, "verify"), do(client, "delete")) == (403, 403)
    assert len(shelf.paths(*OF)) == 3
    client.force_login(User.objects.create_user("nobody", is_staff=True))
    assert client.get(reverse("admin:history_historyfile_changelist")).status_code == 403


def test_verifying_reads_all(client: Client, shelf: Shelf) -> None:
    who(client, "view", "verify")
    assert do(client, "verify") == 302
    assert "all files were read and are as they should be" in page(client)
    path = shelf.paths(*OF)[0]
    path.write_bytes(path.read_bytes()[:-50])
    do(client, "verify")
    html = page(client)
    assert "1 wrong." in html
    assert "2024-01: suspect" in html
    assert HistoryFile.objects.get(name="2024-01").state == FileState.SUSPECT


def test_deleting_asks_first(client: Client, shelf: Shelf) -> None:
    who(client, "view", "delete")
    assert "Delete all trades of ETHUSDT?" in page(client, f"?delete={KEY}")
    assert len(shelf.paths(*OF)) == 3
    assert do(client, "delete") == 302
    assert shelf.paths(*OF) == []
    assert "Nothing is here yet" in page(client)
    assert do(client, "delete") == 302
    assert "These files are gone." in page(client)

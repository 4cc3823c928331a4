"""An import and a compaction killed at any moment, and a full disk: nothing is lost, nothing doubled."""

import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from history.columns import Trades, are_equal, joined
from history.kinds import Kind
from history.periods import parse
from history.shelf import Shelf, check
from tests.support.environment import ROOT
from tests.support.machine.disk import fill, tiny_disk
from tests.support.trades import MIDNIGHT_US, trades

KILLS = 20
DAYS, A_DAY = 5, 30_000
# It begins with the fifteenth; a trade every 2.88 s.
WHOLE = trades(*range(DAYS * A_DAY), begins_us=MIDNIGHT_US, step_us=86_400_000_000 // A_DAY)
FIRST, LAST = parse("2024-01-01"), parse("2024-01-31")
IMPORTS = """
import sys
from datetime import date
from pathlib import Path
from history import importing
from history.kinds import Kind
from history.shelf import Shelf
shelf, file = Shelf(Path(sys.argv[1])), importing.read(Path(sys.argv[2]))
print("reads", flush=True)
importing.add(shelf, "ETHUSDT", file, "a.csv")
shelf.compact("ETHUSDT", Kind.TRADES, date(2024, 3, 1))
print("done", flush=True)
"""
COMPACTS = """
import sys
from datetime import date
from pathlib import Path
from history.kinds import Kind
from history.shelf import Shelf
print("reads", flush=True)
Shelf(Path(sys.argv[1])).compact("ETHUSDT", Kind.TRADES, date(2024, 3, 1))
print("done", flush=True)
"""


def csv(path: Path) -> Path:
    rows = zip(WHOLE.id.tolist(), WHOLE.price.tolist(), WHOLE.quantity.tolist(), WHOLE.time_us.tolist(), strict=True)
    text = "".join(
        f"{i},{p // 10**8}.{p % 10**8:08},{q // 10**8}.{q % 10**8:08},0,{t},{i % 2 == 0},True\n"
        for i, p, q, t in rows
    )
    path.write_text(text)
    return path


def killed_at(random: random.Random, max_s: float, script: str, *words: Any) -> bool:
    """Runs a script, and kills it at some moment after it has begun. Whether it was done before."""
    process = subprocess.Popen([sys.executable, "-c", script, *map(str, words)], cwd=ROOT, stdout=subprocess.PIPE)
    assert process.stdout is not None
    with process.stdout as out:
        assert out.readline() == b"reads\n"
        time.sleep(random.uniform(0, max_s))
        process.kill()
        process.wait()
        return out.readline() == b"done\n"


def here(shelf: Shelf) -> Trades:
    """All that is here; every file can be read and is what its footer says."""
    for piece in shelf.pieces("ETHUSDT", Kind.TRADES):
        check(piece, Kind.TRADES)
    found: list[Trades] = list(shelf.between("ETHUSDT", Kind.TRADES, 0, 2**62))
    return joined([trades(), *found])


def test_an_import_that_is_killed_again_and_again(tmp_path: Path) -> None:
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    chance, path, done, before = random.Random(seed), csv(tmp_path / "a.csv"), 0, 0
    for number in range(KILLS):
        shelf = Shelf(tmp_path / "home")
        done += killed_at(chance, 0.3, IMPORTS, shelf.home, path)
        found = here(shelf)
        assert len(found) >= before, "nothing that was here is lost"
        before = len(found)
        days = sorted({*(found.id // A_DAY).tolist()})
        assert days == list(range(len(days))), "whole days, in their order"
        assert are_equal(found, trades_of(len(days)))
        if number % 5 == 4:  # From nothing again.
            shelf.home.rename(tmp_path / f"home {number}")
            before = 0
    subprocess.run(
        [sys.executable, "-c", IMPORTS, tmp_path / "home", path], cwd=ROOT, check=True, capture_output=True
    )
    assert are_equal(here(Shelf(tmp_path / "home")), WHOLE)
    assert not list((tmp_path / "home").rglob("*.draft"))


def trades_of(days: int) -> Trades:
    step_us = 86_400_000_000 // A_DAY
    return trades(*range(days * A_DAY), begins_us=MIDNIGHT_US, step_us=step_us)


def test_a_compaction_that_is_killed_again_and_again(tmp_path: Path) -> None:
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    chance, outcomes = random.Random(seed), set()
    for number in range(KILLS):
        shelf = Shelf(tmp_path / str(number))
        step_us = 86_400_000_000 // A_DAY
        for period in (FIRST, LAST):
            day = int(period.begins_us - MIDNIGHT_US) // step_us
            shelf.put("ETHUSDT", Kind.TRADES, period, trades(day, day + 1, step_us=step_us), ())
        for part in range(0, len(WHOLE.id), 20_000):
            shelf.append("ETHUSDT", Kind.TRADES, trades(*range(part, part + 20_000), step_us=step_us))
        before = here(shelf)
        for _ in range(2):
            killed_at(chance, 0.15, COMPACTS, shelf.home)
            assert are_equal(here(shelf), before)
        outcomes.add(len(shelf.pieces("ETHUSDT", Kind.TRADES)))
        shelf.compact("ETHUSDT", Kind.TRADES, parse("2024-03-01").first)
        assert [piece.name for piece in shelf.pieces("ETHUSDT", Kind.TRADES)] == ["2024-01"]
        assert are_equal(here(shelf), before)


@pytest.mark.django_db
def test_a_full_disk_is_one_line_and_nothing_is_lost(tmp_path: Path, settings: Any) -> None:
    path = csv(tmp_path / "a.csv")
    settings.HEDGEHOG_HOME = tmp_path / "disk"
    with tiny_disk(tmp_path / "disk", "16k"):
        shelf = Shelf(settings.HEDGEHOG_HOME)
        with pytest.raises(CommandError, match=r"^No room on the disk of .*\. What was there stays; make room"):
            call_command("history", "import", str(path), "--symbol", "ETHUSDT")
        found = here(shelf)
        assert are_equal(found, trades_of(len(found) // A_DAY))
        assert 0 < len(found) < len(WHOLE)
        fill(settings.HEDGEHOG_HOME)
        with pytest.raises(CommandError, match="No room on the disk"):
            call_command("history", "import", str(path), "--symbol", "ETHUSDT")
        assert are_equal(here(shelf), found)
        assert not list(shelf.root.rglob("*.draft"))

"""`manage.py history import`, `list` and `check`, with recorded trades."""

import gzip
import random
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from history import importing
from history.columns import are_equal
from history.kinds import Kind
from history.models import FileState, HistoryFile
from history.shelf import Shelf
from tests.support.archive import HEADER, Row, in_us, recorded, zipped

pytestmark = [pytest.mark.django_db, pytest.mark.databases]
ETH = list(recorded("ETHUSDT-trades-2019"))
DAY = "2019-05-25"


@pytest.fixture
def shelf(tmp_path: Path, settings: Any) -> Shelf:
    settings.HEDGEHOG_HOME = tmp_path / "home"
    return Shelf(settings.HEDGEHOG_HOME)


@pytest.fixture
def run(shelf: Shelf, capsys: pytest.CaptureFixture[str]) -> Any:
    def call(*words: Any) -> str:
        call_command("history", *map(str, words))
        return capsys.readouterr().out

    return call


def csv(path: Path, rows: list[Row], header: Row = ()) -> Path:
    path.write_text("".join(",".join(row) + "\n" for row in [*([header] if header else []), *rows]))
    return path


def test_recorded_trades_are_imported_and_listed(run: Any, tmp_path: Path) -> None:
    path = csv(tmp_path / f"ETHUSDT-trades-{DAY}.csv", ETH)
    assert run("import", path) == f"ETHUSDT {DAY}: 500 trades read, 500 new.\n"
    row = HistoryFile.objects.get()
    assert (row.rows, row.state, row.name) == (500, FileState.FULL, DAY)
    assert row.origin.startswith(f"import {path.name} ")
    assert run("import", path) == f"ETHUSDT {DAY}: 500 trades read, 0 new.\n"
    told = run("list")
    assert "ETHUSDT  trades  live    2019-05     1   500           part" in told
    assert "500 rows in 1 file" in told
    assert run("check") == "1 file read, all as they should be.\n"


def test_every_form_of_a_file_gives_the_same_trades(shelf: Shelf, tmp_path: Path) -> None:
    mixed = ETH[:]
    random.Random(1).shuffle(mixed)
    whole = importing.read(csv(tmp_path / "a.csv", ETH)).trades
    assert len(whole) == 500
    forms = [
        csv(tmp_path / "b.csv", ETH, HEADER),
        csv(tmp_path / "c.csv", mixed),
        csv(tmp_path / "d.csv", in_us(ETH)),
        csv(tmp_path / "e.csv", [*ETH, *ETH[:50]]),
        tmp_path / "f.zip",
        tmp_path / "g.csv.gz",
    ]
    forms[-2].write_bytes(zipped("f", ETH))
    forms[-1].write_bytes(gzip.compress(forms[1].read_bytes()))
    for path in forms:
        assert are_equal(importing.read(path).trades, whole), path.name


def test_a_file_without_a_name_of_the_archive_becomes_days(run: Any, shelf: Shelf, tmp_path: Path) -> None:
    day_later = [(str(int(row[0]) + 500), *row[1:4], str(int(row[4]) + 86_400_000), *row[5:]) for row in ETH]
    path = csv(tmp_path / "mine.csv", [*ETH, *day_later])
    with pytest.raises(CommandError, match=r"mine\.csv: which symbol\?"):
        run("import", path)
    told = run("import", path, "--symbol", "ethusdt", "--market", "testnet")
    assert told == f"ETHUSDT {DAY} to 2019-05-26: 1,000 trades read, 1,000 new.\n"
    assert [piece.name for piece in Shelf(shelf.home, "testnet").pieces("ETHUSDT", Kind.TRADES)] == [
        DAY,
        "2019-05-26",
    ]


def test_holes_are_told(run: Any, tmp_path: Path) -> None:
    path = csv(tmp_path / f"ETHUSDT-trades-{DAY}.csv", [*ETH[:100], *ETH[110:]])
    assert run("import", path) == f"ETHUSDT {DAY}: 490 trades read, 490 new, 10 ids missing there.\n"
    first = int(ETH[100][0])
    assert run("check").startswith(
        f"ETHUSDT trades: 10 ids missing in 1 hole, the first from {first} to {first + 9}\n"
    )
    path = csv(tmp_path / f"ETHUSDT-trades-{DAY}.csv", ETH[95:115])
    assert run("import", path) == f"ETHUSDT {DAY}: 20 trades read, 10 new.\n"
    assert HistoryFile.objects.get().state == FileState.FULL


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        (1, "24x", "line 251: '24x' is not what stands there in trades"),
        (2, "0", "line 251: a trade has an id, a time, and a price and a quantity above 0"),
        (1, "-1", "line 251: a trade has an id, a time, and a price and a quantity above 0"),
        (4, "99999999999999999", "line 251: a trade has an id, a time, and a price and a quantity above 0"),
        (1, "99999999999", "line 251: an amount is too large"),
        (0, ETH[0][0], f"line 251: id {ETH[0][0]} is there twice with different values"),
    ],
)
def test_a_broken_line_is_told_and_nothing_is_written(
    run: Any, shelf: Shelf, tmp_path: Path, place: int, value: str, said: str
) -> None:
    bad = (*ETH[250][:place], value, *ETH[250][place + 1 :])
    path = csv(tmp_path / f"ETHUSDT-trades-{DAY}.csv", [*ETH[:250], bad, *ETH[251:]])
    with pytest.raises(CommandError) as error:
        run("import", path)
    assert str(error.value) == f"{path}: {said}. Nothing was imported from it."
    assert not shelf.root.exists()


def test_what_does_not_fit_is_refused(run: Any, shelf: Shelf, tmp_path: Path) -> None:
    rows = csv(tmp_path / "ETHUSDT-trades-2019-06.csv", ETH)
    with pytest.raises(CommandError, match=r"has no trade of 2019-06, which its name says"):
        run("import", rows)
    with pytest.raises(CommandError, match=r"is named as a file of aggTrades and has the columns of trades"):
        run("import", csv(tmp_path / f"ETHUSDT-aggTrades-{DAY}.csv", ETH))
    with pytest.raises(CommandError, match=r"its name says ETHUSDT, and --symbol XRPUSDT"):
        run("import", rows, "--symbol", "XRPUSDT")
    with pytest.raises(CommandError, match=r"gone\.csv: No such file or directory"):
        run("import", tmp_path / "gone.csv", "--symbol", "XRPUSDT")
    with pytest.raises(CommandError, match=r"has no trades"):
        run("import", csv(tmp_path / "empty.csv", [], HEADER), "--symbol", "XRPUSDT")


def test_other_values_of_the_same_trade_are_refused(run: Any, tmp_path: Path) -> None:
    run("import", csv(tmp_path / f"ETHUSDT-trades-{DAY}.csv", ETH))
    other = (ETH[0][0], "1.0", *ETH[0][2:])
    with pytest.raises(CommandError, match=rf"id {ETH[0][0]} is not what {DAY}\.parquet has: nothing of that time"):
        run("import", csv(tmp_path / f"ETHUSDT-trades-{DAY}.csv", [other, *ETH[1:]]))
    assert HistoryFile.objects.get().rows == 500


def test_a_damaged_file_is_an_error_of_the_check(run: Any, shelf: Shelf, tmp_path: Path) -> None:
    run("import", csv(tmp_path / f"ETHUSDT-trades-{DAY}.csv", ETH))
    (path,) = shelf.paths("ETHUSDT", Kind.TRADES)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CommandError, match=r"1 file of 1 wrong: see above"):
        run("check")
    assert "suspect" in run("list")


def test_nothing_is_said_plainly(run: Any) -> None:
    assert run("list").startswith("Nothing is here. ")
    assert run("list", "--json") == "[]\n"
    assert run("check") == "0 files read, all as they should be.\n"

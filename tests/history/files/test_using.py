"""`manage.py history candles`, `export`, `compact` and `prune`."""

from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from history.importing import read
from history.kinds import Kind
from history.models import HistoryFile
from history.periods import parse
from history.shelf import Shelf
from tests.support.archive import recorded, zipped
from tests.support.trades import trades

pytestmark = [pytest.mark.django_db, pytest.mark.databases]
OF = ("ETHUSDT", Kind.TRADES)


@pytest.fixture
def shelf(tmp_path: Path, settings: Any) -> Shelf:
    settings.HEDGEHOG_HOME = tmp_path / "home"
    path = tmp_path / "ETHUSDT-trades-2019-05-25.zip"
    path.write_bytes(zipped("a", recorded("ETHUSDT-trades-2019")))
    call_command("history", "import", str(path))
    return Shelf(settings.HEDGEHOG_HOME)


@pytest.fixture
def run(shelf: Shelf, capfd: pytest.CaptureFixture[str]) -> Any:
    capfd.readouterr()

    def call(*words: Any) -> str:
        call_command("history", *map(str, words))
        return capfd.readouterr().out

    return call


def test_candles_are_a_table_or_csv(run: Any, tmp_path: Path) -> None:
    lines = run("candles", "ethusdt", "--interval", "1h").splitlines()
    assert lines[0].split("  ")[0] == "OPEN TIME"
    assert lines[1].split()[:3] == ["2019-05-25", "00:00:00", "248.84000000"]
    assert len(lines) == 2
    assert run("candles", "ETHUSDT", "--csv", tmp_path / "a.csv") == ""
    rows = (tmp_path / "a.csv").read_text().splitlines()
    assert rows[0] == "open time,open,high,low,close,volume,quote volume,first id,last id"
    assert rows[1].startswith("2019-05-25 00:00:00,248.84000000,")
    assert not list(tmp_path.glob(".*"))


def test_nothing_there_is_an_error(run: Any) -> None:
    with pytest.raises(CommandError, match=r"No trades of XRPUSDT are here in that time\."):
        run("candles", "XRPUSDT")
    with pytest.raises(CommandError, match=r"No trades of ETHUSDT are here in that time\."):
        run("export", "ETHUSDT", "--from", "2020-01")
    with pytest.raises(CommandError, match="--from must not be after --to"):
        run("export", "ETHUSDT", "--from", "2020-01", "--to", "2019-01")


def test_what_is_exported_can_be_imported(run: Any, shelf: Shelf, tmp_path: Path) -> None:
    path = tmp_path / "ETHUSDT-trades-2019-05-25.csv"
    run("export", "ETHUSDT", "--csv", path)
    first = ",".join(next(iter(recorded("ETHUSDT-trades-2019")))).split(",")
    written = path.read_text().splitlines()[0].split(",")
    assert written[:4] == first[:4]
    assert written[4:] == [f"{first[4]}000", *first[5:]]
    assert len(read(path).trades) == 500
    call_command("history", "import", str(path))
    assert HistoryFile.objects.get().rows == 500
    with pytest.raises(CommandError, match=r"cannot be written: No such file or directory"):
        run("export", "ETHUSDT", "--csv", tmp_path / "no" / "a.csv")


def test_days_are_compacted(run: Any, shelf: Shelf) -> None:
    shelf.append("XRPUSDT", Kind.TRADES, trades(1, 2))
    shelf.append("XRPUSDT", Kind.TRADES, trades(3, 4))
    assert run("compact") == "1 file made.\n"
    assert HistoryFile.objects.get(symbol="XRPUSDT").name == "2024-01-15"
    assert run("compact") == "0 files made.\n"


def test_pruning_shows_first_what_it_would_delete(run: Any, shelf: Shelf) -> None:
    shelf.put(*OF, parse("2024-01"), trades(1, 2), ())
    with pytest.raises(CommandError, match="Name symbols, or a time"):
        run("prune")
    assert run("prune", "--before", "2019-05") == "No file is meant.\n"
    told = run("prune", "--before", "2024-01")
    assert "2019-05-25" in told
    assert told.endswith("Nothing was deleted: --yes does it.\n")
    assert len(shelf.pieces(*OF)) == 2
    assert "1 file deleted" in run("prune", "--before", "2024-01", "--yes")
    assert [piece.name for piece in shelf.pieces(*OF)] == ["2024-01"]
    assert HistoryFile.objects.get().name == "2024-01"
    assert "1 file deleted" in run("prune", "ETHUSDT", "--yes")
    assert not HistoryFile.objects.exists()

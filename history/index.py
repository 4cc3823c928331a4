"""The rows of files, as the files are: HistoryFile follows what is on the shelf."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from django.utils import timezone

from history import shelf as shelves
from history.kinds import Kind
from history.models import FileState, HistoryFile
from history.periods import parse
from history.shelf import BadPiece, Piece, Shelf, sha256

# Of the holes of one file; their sum is told by ids and rows.
MAX_HOLES = 1000


def follow(shelf: Shelf, symbol: str, kind: Kind) -> None:
    """Rows of a symbol as its footers are now; of what did not change nothing is read. Raises OSError."""
    known = {each.name: each for each in _rows(shelf, symbol, kind)}
    paths = shelf.paths(symbol, kind)
    for path in paths:
        try:
            facts = _facts(path)
        except FileNotFoundError:
            continue  # It went into a longer file meanwhile, which whoever wrote that follows.
        old = known.get(path.stem)
        if old is None or any(getattr(old, name) != value for name, value in facts.items()):
            _save(shelf, symbol, kind, path, facts | {"sha256": sha256(path), "checked_at": None})
    _forget(known, paths)


def check(shelf: Shelf, symbol: str, kind: Kind, on_file: Callable[[Path], object] = str) -> Iterator[str]:
    """Reads all of a symbol's files, makes their rows anew, and yields a line for each that is wrong."""
    known = {each.name: each for each in _rows(shelf, symbol, kind)}
    paths = shelf.paths(symbol, kind)
    for path in paths:
        on_file(path)
        try:
            facts = _facts(path)
            if facts["rows"]:
                shelves.check(shelves.piece_of(path), kind)
            facts |= {"sha256": sha256(path), "checked_at": timezone.now()}
        except FileNotFoundError:
            continue  # It went into a longer file meanwhile, which another check reads.
        except BadPiece as error:
            facts = _facts_of_bad(path, error)
        if facts["doubts"]:
            yield f"{path}: {'; '.join(facts['doubts'])}"
        _save(shelf, symbol, kind, path, facts)
    _forget(known, paths)


def symbols(shelf: Shelf, kind: Kind) -> list[str]:
    """Those that have a folder, or still a row."""
    of = HistoryFile.objects.order_by().filter(market=shelf.market, kind=kind)
    return sorted({*shelf.symbols(kind), *of.values_list("symbol", flat=True).distinct()})


def _facts(path: Path) -> dict[str, Any]:
    """What a file's row should say, from its footer alone. Raises OSError."""
    try:
        return _told(shelves.piece_of(path))
    except BadPiece as error:
        return _facts_of_bad(path, error)


def _told(piece: Piece) -> dict[str, Any]:
    return {
        "period": piece.period.name,
        "rows": piece.rows,
        "first_id": piece.first_id,
        "last_id": piece.last_id,
        "bytes": piece.path.stat().st_size,
        "state": FileState(piece.state),
        "holes": [[hole.first, hole.last] for hole in piece.holes[:MAX_HOLES]],
        "doubts": list(piece.doubts),
        "origin": piece.origin,
    }


def _facts_of_bad(path: Path, error: BadPiece) -> dict[str, Any]:
    return {
        "period": _period_named(path),
        "rows": 0,
        "first_id": 0,
        "last_id": -1,
        "bytes": path.stat().st_size,
        "state": FileState.SUSPECT,
        "holes": [],
        "doubts": [str(error).removeprefix(f"{path}: ")],
        "origin": "",
    }


def _period_named(path: Path) -> str:
    """Empty where the file is named as none of ours."""
    try:
        return parse(path.stem.partition(".")[0]).name
    except ValueError:
        return ""


def _rows(shelf: Shelf, symbol: str, kind: Kind) -> list[HistoryFile]:
    return list(HistoryFile.objects.filter(market=shelf.market, symbol=symbol, kind=kind))


def _save(shelf: Shelf, symbol: str, kind: Kind, path: Path, facts: dict[str, Any]) -> None:
    HistoryFile.objects.update_or_create(facts, market=shelf.market, symbol=symbol, kind=kind, name=path.stem[:40])


def _forget(known: dict[str, HistoryFile], paths: list[Path]) -> None:
    here = {path.stem for path in paths}
    HistoryFile.objects.filter(pk__in=[each.pk for name, each in known.items() if name not in here]).delete()

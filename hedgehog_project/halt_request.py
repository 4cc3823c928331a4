"""A halt that needs no database: a file in HEDGEHOG_HOME that each process of this home looks for before an order.

The switch's row in the database is the truth, and all machines see it. Where it can't be written at once, because
the database is locked, full or away, this file denies the orders of this home, and trading/risk/kill_switch.py
writes the row as soon as that can be done.

The file is prepared, with room for every request: to halt it is written over in place and renamed, which works on a
full disk. Nothing but the standard library is needed, and no setting but the home.
"""

import contextlib
import json
import os
import secrets
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

READY, REQUEST = "halt.ready", "halt.request"
# A name of 150 and a reason of 200 characters take 1.4 KB in UTF-8.
SIZE = 4096


@dataclass(frozen=True)
class Request:
    """Who wants trading halted, and how. As it is here, it is the strictest: an unreadable file counts as that."""

    mode: str = "halted"
    by: str = ""
    why: str = ""
    cancel_buys: bool = False
    at: float = field(default_factory=time.time)  # seconds since the epoch
    token: str = ""  # tells it from another request


def request(mode: str, by: str, why: str, cancel_buys: bool) -> Request:
    return Request(mode, by[:150], why.strip()[:200], cancel_buys, token=secrets.token_hex(8))


def prepare(home: Path) -> bool:
    """Makes the file that a halt renames, where it is missing. Whether it is there with all its room."""
    try:
        if _size(home / READY) < SIZE and not (home / REQUEST).exists():
            _write(home / READY, b"")  # spaces
        return _size(home / READY) >= SIZE
    except OSError:
        return False


def file(home: Path, wanted: Request) -> float:
    """Makes it hold in all processes of this home; since when it does (s). Raises OSError where it can't."""
    content = json.dumps(asdict(wanted), ensure_ascii=False).encode()
    ready, filed = home / READY, home / REQUEST
    if filed.exists():
        # It holds already; a text that can't be written leaves the earlier one, or the strictest.
        with contextlib.suppress(OSError):
            _write(filed, content)
        return time.time()
    try:
        if ready.exists():
            _write(ready, content)
    except OSError:
        # What stands in it now may be an earlier request, which wanted less. Nothing in it counts as the strictest.
        with contextlib.suppress(OSError):
            os.truncate(ready, 0)
    try:
        ready.replace(filed)
    except FileNotFoundError:
        # Nobody has prepared it. An empty file takes no room but its name, and holds as well.
        filed.touch(mode=0o600)
        with contextlib.suppress(OSError):
            _write(filed, content)
    return time.time()


def pending(home: Path) -> Request | None:
    """The request that nobody has taken away yet. Costs some microseconds; never raises."""
    path = home / REQUEST
    try:
        filed_at = path.stat().st_ctime
    except OSError:
        return None
    try:
        fields = json.loads(path.read_bytes())
        wanted = Request(**fields)
        if isinstance(wanted.at, int | float) and all(isinstance(text, str) for text in (wanted.mode, wanted.token)):
            return wanted
    except FileNotFoundError:
        return None  # It has been taken away just now.
    except (OSError, ValueError, TypeError):
        pass
    # Whoever filed it could not write what is in it: that somebody wants a halt is certain.
    return Request(at=filed_at)


def withdraw(home: Path, only: Request | None = None) -> bool:
    """Takes the request away, this one alone where it is named. Whether it did. Raises OSError where it can't."""
    ready, filed = home / READY, home / REQUEST
    found = pending(home)
    if found is None or (only is not None and found.token != only.token):
        return False
    filed.replace(ready)
    if only is not None and _token_in(ready) != only.token:
        # Another one was written over it meanwhile, and holds on.
        ready.replace(filed)
        return False
    with contextlib.suppress(OSError):
        _write(ready, b"")
    return True


def _token_in(path: Path) -> str:
    try:
        return str(json.loads(path.read_bytes())["token"])
    except (OSError, ValueError, TypeError, KeyError):
        return ""


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _write(path: Path, content: bytes) -> None:
    """In place, and always as long: over what is there it needs no room."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, content.ljust(SIZE))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

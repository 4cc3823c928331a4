"""The archive's files: JSON lines, compressed, a file for each month. `zcat` and `zgrep` read them.

Each append is a gzip member of its own, and is on the disk before anything is deleted. The database is the truth: a
file counts up to the size that its row has. What comes after that is an append whose process died, and is cut off,
but only where the journal still has every line of it.
"""

import gzip
import json
import logging
import os
import secrets
import socket
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db.models import F
from django.utils import timezone

from trading.models import ArchiveFile

log = logging.getLogger(__name__)

Line = dict[str, Any]
# Whether the journal still has all of these lines.
HasAll = Callable[[list[Line]], bool]
READ_BYTES = 1 << 20
# Lines that are compared with the journal at a time.
COMPARED = 500


class ArchiveError(Exception):
    """The archive cannot be written or read. The text says why, and what to do. Nothing was deleted."""


class Superseded(ArchiveError):
    """Another process has written to the same file, as only one may."""


@dataclass(frozen=True)
class Written:
    """Lines that are on the disk and do not count yet."""

    file: ArchiveFile
    size: int
    lines: int

    def confirm(self) -> None:
        """They count from now on. In the transaction that deletes them from the journal. Raises Superseded."""
        changed = ArchiveFile.objects.filter(pk=self.file.pk, size=self.file.size).update(
            size=self.size, lines=F("lines") + self.lines, written_at=timezone.now()
        )
        if not changed:
            raise Superseded(f"Another process has written to {self.file.name}. Run `manage.py archive` again")

    def withdraw(self) -> None:
        """Cuts them off: they are in another file. Raises ArchiveError."""
        path = folder() / self.file.name
        try:
            os.truncate(path, self.file.size)
        except OSError as error:
            raise cannot_write(path, error) from None


def folder() -> Path:
    """HEDGEHOG_HOME/archive, made where it is missing. Raises ArchiveError."""
    path = Path(settings.HEDGEHOG_HOME) / "archive"
    try:
        path.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise cannot_write(path, error) from None
    return path


def folder_id() -> str:
    """What names this folder wherever it is mounted; made where there is none yet. Raises ArchiveError."""
    path = folder() / "id"
    try:
        if not path.exists():
            # Complete or not there at all: whoever is second keeps the first one's.
            draft = path.with_name(f"id.{os.getpid()}")
            draft.write_text(secrets.token_hex(8) + "\n")
            try:
                os.link(draft, path)
            except FileExistsError:
                pass
            finally:
                draft.unlink()
        return path.read_text().strip()
    except OSError as error:
        raise cannot_write(path, error) from None


def append(month: str, lines: list[Line], has_all: HasAll) -> Written:
    """Writes lines to a month's file; when this returns they are on the disk. Raises ArchiveError.

    For one process of this folder at a time.
    """
    data = gzip.compress(b"".join(_encoded(line) for line in lines), mtime=0)
    file = _file_of(month, has_all)
    path = folder() / file.name
    try:
        with path.open("ab") as stream:
            try:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            except OSError:
                # Makes room again on a full disk; were it not done now, the next append would.
                os.ftruncate(stream.fileno(), file.size)
                raise
            size = os.fstat(stream.fileno()).st_size
        if not file.size:
            _sync_folder()
    except OSError as error:
        raise cannot_write(path, error) from None
    if size != file.size + len(data):
        raise Superseded(f"Another process writes to {path}. Run `manage.py archive` again")
    return Written(file, size, len(lines))


def read(file: ArchiveFile, begins: Line | None = None) -> Iterator[Line]:
    """The lines of a file that count; where asked for, those that begin with these values.

    Raises ArchiveError where it is not here, or damaged.
    """
    path = folder() / file.name
    if file.folder_id != folder_id() or not path.exists():
        raise ArchiveError(f"{file.name} is not in {folder()}: it was written on {file.host}, in {file.folder}")
    try:
        with path.open("rb") as stream:
            texts = _texts(_pieces(stream, file.size), path)
            # Most lines of a month are others': they need not be understood.
            start = _encoded(begins).rstrip(b"}\n") + b"," if begins else b""
            yield from (_decoded(text, path) for text in texts if text.startswith(start))
    except OSError as error:
        raise ArchiveError(f"{path} cannot be read: {error.strerror or error}") from None


# --- which file -----------------------------------------------------------------------------------
def _file_of(month: str, has_all: HasAll) -> ArchiveFile:
    """The month's newest part, as long as its row says; the next part where that one holds what nobody knows of."""
    place = folder_id()
    file = ArchiveFile.objects.filter(month=month, folder_id=place).order_by("-part").first()
    part = file.part if file else 1
    while True:
        if file is None:
            # Before the file is there: one without a row is another database's.
            file = ArchiveFile(month=month, part=part, folder_id=place)
        if _is_as_long(file, has_all):
            file.host, file.folder = socket.gethostname()[:200], str(folder())[:500]
            file.save(update_fields=["host", "folder"] if file.pk else None)
            return file
        part, file = part + 1, None


def _is_as_long(file: ArchiveFile, has_all: HasAll) -> bool:
    """Whether the file ends where its row says, cut off there if need be. Raises ArchiveError."""
    path = folder() / file.name
    try:
        size = path.stat().st_size if path.exists() else 0
        if size > file.size and _is_in_journal(path, file.size, has_all):
            log.info("an interrupted append is cut off: file=%s from=%d to=%d", path, size, file.size)
            os.truncate(path, file.size)
            size = file.size
    except OSError as error:
        raise cannot_write(path, error) from None
    if size != file.size:
        # Moved away or damaged; or more than our database knows of, for it is another one, or an older backup of it.
        log.warning("%s has %d bytes where %d are known: the next part begins", path, size, file.size)
    return size == file.size


def _is_in_journal(path: Path, begin: int, has_all: HasAll) -> bool:
    """Whether the journal still has all that a file holds from there on: then it need not be kept."""
    batch: list[Line] = []
    try:
        with path.open("rb") as stream:
            stream.seek(begin)
            for text in _texts(_pieces(stream, None), path, may_be_torn=True):
                batch.append(_decoded(text, path))
                if len(batch) == COMPARED:
                    if not has_all(batch):
                        return False
                    batch = []
    except ArchiveError:
        return False
    return not batch or has_all(batch)


# --- bytes ------------------------------------------------------------------------------------------
def _encoded(line: Line) -> bytes:
    return json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _pieces(stream: Any, size: int | None) -> Iterator[bytes]:
    """The next so many bytes, or all."""
    left = size
    while left is None or left > 0:
        piece: bytes = stream.read(READ_BYTES if left is None else min(READ_BYTES, left))
        if not piece:
            return
        left = None if left is None else left - len(piece)
        yield piece


def _decoded(text: bytes, path: Path) -> Line:
    try:
        line: Line = json.loads(text)
    except ValueError as error:
        raise ArchiveError(f"{path} is damaged: {error}") from None
    return line


def _texts(pieces: Iterator[bytes], path: Path, may_be_torn: bool = False) -> Iterator[bytes]:
    """The lines of gzip members, one behind the other.

    Raises ArchiveError where they are damaged, or torn and may not be.
    """
    member, rest, is_within = zlib.decompressobj(wbits=31), b"", False
    try:
        for piece in pieces:
            while piece:
                rest += member.decompress(piece)
                piece, is_within = member.unused_data, not member.eof
                if member.eof:
                    member = zlib.decompressobj(wbits=31)
                *whole, rest = rest.split(b"\n")
                yield from whole
    except zlib.error as error:
        raise ArchiveError(f"{path} is damaged: {error}") from None
    if (rest or is_within) and not may_be_torn:
        raise ArchiveError(f"{path} is damaged: its end is torn")


def _sync_folder() -> None:
    """The name of a new file must last as well."""
    descriptor = os.open(folder(), os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def cannot_write(path: Path, error: OSError) -> ArchiveError:
    return ArchiveError(
        f"The archive cannot be written: {path}: {error.strerror or error}. Nothing was deleted; make room or make "
        "the folder writable, then run `manage.py archive`"
    )

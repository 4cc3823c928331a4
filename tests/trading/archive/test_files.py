"""The archive's files: what an interrupted append leaves, other databases' files, full disks and torn bytes."""

import gzip
import json
import os
import stat
import subprocess
from pathlib import Path

import pytest

from tests.support.machine.disk import tiny_disk
from trading.archive import files
from trading.archive.files import ArchiveError, Line
from trading.models import ArchiveFile

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("home")]

MONTH = "2026-08"
LINES: list[Line] = [{"trader": 1, "id": n, "at": "2026-08-01", "reason": f"≥ {n} %"} for n in range(1, 1001)]


def append(lines: list[Line], still_there: bool = True) -> files.Written:
    return files.append(MONTH, lines, lambda found: still_there)


def path_of(home: Path, part: str = "") -> Path:
    return home / "archive" / f"journal-{MONTH}{part}.jsonl.gz"


def all_lines() -> list[Line]:
    return [line for file in ArchiveFile.objects.all() for line in files.read(file)]


def test_appends_are_read_in_order(home: Path) -> None:
    append(LINES[:400]).confirm()
    append(LINES[400:]).confirm()
    assert all_lines() == LINES
    assert ArchiveFile.objects.get().lines == 1000


def test_lines_are_found_by_how_they_begin(home: Path) -> None:
    append([{"trader": trader, "id": n} for n, trader in enumerate((1, 11, 2, 1), 1)]).confirm()
    file = ArchiveFile.objects.get()
    assert [line["id"] for line in files.read(file, {"trader": 1})] == [1, 4]
    assert list(files.read(file, {"trader": 3})) == []


def test_zcat_reads_a_file(home: Path) -> None:
    append(LINES[:2]).confirm()
    append(LINES[2:3]).confirm()
    told = subprocess.run(["zcat", path_of(home)], capture_output=True, check=True).stdout
    assert [json.loads(line) for line in told.splitlines()] == LINES[:3]


def test_only_the_owner_reads_the_folder(home: Path) -> None:
    append(LINES)
    assert stat.S_IMODE((home / "archive").stat().st_mode) == 0o700


@pytest.mark.parametrize("missing_bytes", [0, 1, 100, -1])
def test_an_append_that_was_not_confirmed_is_cut_off(home: Path, missing_bytes: int) -> None:
    append(LINES[:400]).confirm()
    written = append(LINES[400:])
    # None of it, all but its last bytes, or all of it has reached the disk.
    os.truncate(path_of(home), written.file.size + 1 if missing_bytes < 0 else written.size - missing_bytes)
    assert all_lines() == LINES[:400]
    append(LINES[400:]).confirm()
    assert all_lines() == LINES
    assert [path.name for path in (home / "archive").glob("*.gz")] == [path_of(home).name]


def test_lines_that_are_nowhere_else_are_never_cut_off(home: Path) -> None:
    """As with an old backup of the database, which knows of a shorter file."""
    append(LINES[:400]).confirm()
    append(LINES[400:500])
    append(LINES[500:], still_there=False).confirm()
    with gzip.open(path_of(home)) as file:
        assert [json.loads(line) for line in file] == LINES[:500]
    assert all_lines() == LINES[:400] + LINES[500:]
    assert path_of(home, ".2").exists()


def test_a_file_of_another_database_is_left_alone(home: Path) -> None:
    append(LINES[:400]).confirm()
    ArchiveFile.objects.all().delete()
    before = path_of(home).read_bytes()
    append(LINES[400:], still_there=False).confirm()
    assert path_of(home).read_bytes() == before
    assert all_lines() == LINES[400:]


def test_what_is_no_gzip_is_left_alone(home: Path) -> None:
    append(LINES[:400]).confirm()
    with path_of(home).open("ab") as file:
        file.write(b"\0" * 100)
    append(LINES[400:]).confirm()
    assert all_lines() == LINES
    assert path_of(home, ".2").exists()


def test_a_file_that_was_moved_away_gets_a_next_part(home: Path) -> None:
    append(LINES[:400]).confirm()
    path_of(home).rename(home / "elsewhere.gz")
    append(LINES[400:]).confirm()
    first, second = ArchiveFile.objects.all()
    assert list(files.read(second)) == LINES[400:]
    with pytest.raises(ArchiveError, match=rf"{first.name} is not in .*: it was written on"):
        list(files.read(first))


def test_a_damaged_file_is_reported(home: Path) -> None:
    append(LINES).confirm()
    content = bytearray(path_of(home).read_bytes())
    content[len(content) // 2] ^= 0xFF
    path_of(home).write_bytes(content)
    with pytest.raises(ArchiveError, match="is damaged"):
        all_lines()


def test_another_writer_is_noticed_before_anything_is_deleted(home: Path) -> None:
    append(LINES[:10]).confirm()
    first, second = append(LINES[10:20]), append(LINES[10:20])
    second.confirm()
    with pytest.raises(ArchiveError, match="Another process has written"):
        first.confirm()


def test_a_full_disk_is_said_and_leaves_the_file_as_it_was(home: Path) -> None:
    with tiny_disk(home / "archive", "64k"):
        append(LINES[:10]).confirm()
        size = path_of(home).stat().st_size
        (home / "archive" / "filler").write_bytes(os.urandom(40_000))
        much: list[Line] = [{"id": n, "reason": os.urandom(500).hex()} for n in range(500)]
        with pytest.raises(ArchiveError, match=r"cannot be written: .*No space left on device.*Nothing was deleted"):
            append(much)
        assert path_of(home).stat().st_size == size
        (home / "archive" / "filler").unlink()
        append(LINES[10:20]).confirm()
        assert all_lines() == LINES[:20]


def test_a_folder_that_cannot_be_made_is_said(home: Path) -> None:
    (home / "archive").write_text("a file")
    with pytest.raises(ArchiveError, match=r"cannot be written: .*archive"):
        append(LINES)

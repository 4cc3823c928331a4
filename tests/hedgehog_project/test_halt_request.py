"""The file that denies the orders of a home: it needs no room, and whatever is in it, it holds."""

import os
import time
from pathlib import Path

import pytest

from hedgehog_project import emergency, halt_request
from hedgehog_project.halt_request import READY, REQUEST, SIZE
from tests.support.machine.disk import fill, tiny_disk

WANTED = halt_request.request("reducing", "anna", "news — 新聞", cancel_buys=True)


def test_request_says_who_wants_what_and_taking_it_away_prepares_the_next(tmp_path: Path) -> None:
    assert halt_request.pending(tmp_path) is None
    assert halt_request.prepare(tmp_path)
    halt_request.file(tmp_path, WANTED)
    assert halt_request.pending(tmp_path) == WANTED
    assert halt_request.withdraw(tmp_path)
    assert halt_request.pending(tmp_path) is None
    assert (tmp_path / READY).stat().st_size == SIZE
    assert not halt_request.withdraw(tmp_path)


@pytest.mark.parametrize("is_prepared", [True, False])
def test_full_disk_takes_a_request(tmp_path: Path, is_prepared: bool) -> None:
    home = tmp_path / "home"
    with tiny_disk(home, "32k"):
        if is_prepared:
            assert halt_request.prepare(home)
        fill(home)
        halt_request.file(home, WANTED)
        found = halt_request.pending(home)
        assert found is not None
        # Without its room nothing stands in it, and it counts as the strictest.
        assert (found.mode, found.by) == (("reducing", "anna") if is_prepared else ("halted", ""))
        assert halt_request.withdraw(home)
        assert halt_request.prepare(home) == is_prepared


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"mode": 7}', b'{"mode": "halted", "more": 1}', b"\xff", b'{"at": "noon"}']
)
def test_file_that_can_not_be_read_halts_everything(tmp_path: Path, content: bytes) -> None:
    (tmp_path / REQUEST).write_bytes(content)
    found = halt_request.pending(tmp_path)
    assert found is not None
    assert (found.mode, found.token) == ("halted", "")
    assert abs(found.at - time.time()) < 60
    assert halt_request.withdraw(tmp_path, found)


def test_request_that_could_not_be_written_never_wants_what_an_earlier_one_did(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    halt_request.prepare(tmp_path)
    halt_request.file(tmp_path, WANTED)
    halt_request.withdraw(tmp_path)
    assert (tmp_path / READY).read_bytes().strip() == b""
    (tmp_path / READY).write_text('{"mode": "reducing"}')

    def fail(path: Path, content: bytes) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(halt_request, "_write", fail)
    halt_request.file(tmp_path, WANTED)
    found = halt_request.pending(tmp_path)
    assert found is not None
    assert found.mode == "halted"


def test_request_of_one_is_not_taken_away_with_that_of_another(tmp_path: Path) -> None:
    halt_request.file(tmp_path, WANTED)
    later = halt_request.request("halted", "bert", "", cancel_buys=False)
    halt_request.file(tmp_path, later)
    assert not halt_request.withdraw(tmp_path, WANTED)
    assert halt_request.pending(tmp_path) == later
    assert halt_request.withdraw(tmp_path, later)


def test_home_that_is_not_there_has_no_request_and_takes_none(tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    assert halt_request.pending(nowhere) is None
    assert not halt_request.prepare(nowhere)
    with pytest.raises(OSError, match="No such file"):
        halt_request.file(nowhere, WANTED)


def test_look_costs_next_to_nothing(tmp_path: Path) -> None:
    began = time.process_time()
    for _ in range(10_000):
        halt_request.pending(tmp_path)
    assert (time.process_time() - began) / 10_000 < 0.0001


@pytest.mark.parametrize(
    ("arguments", "mode"),
    [
        (["halt"], "halted"),
        (["halt", "--reduce", "--reason=news", "--verbosity", "2"], "reducing"),
        (["halt", "--reduce", "--why=news"], "reducing"),  # its old name, for one release
        (["halt", "--can", "--settings=x", "--traceback"], "halted"),
        (["halt", "--dry-run"], None),
        (["halt", "--help"], None),
        (["halt", "--cancle"], None),
        (["halt", "now"], None),
        (["status"], None),
        ([], None),
    ],
)
def test_request_is_filed_for_a_halt_alone(
    arguments: list[str], mode: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, "HEDGEHOG_HOME", str(tmp_path))
    monkeypatch.setattr(emergency, "_current", None)
    # It would end the tests.
    for name in ("watch", "remind"):
        monkeypatch.setattr(emergency.Emergency, name, lambda self, seconds: None)
    emergency.begin(arguments)
    found = halt_request.pending(tmp_path)
    assert (found.mode if found else None) == mode

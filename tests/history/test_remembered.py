"""What was asked for in vain is not asked for each day."""

from datetime import date, timedelta
from pathlib import Path

import pytest

from history.holes import Hole
from history.periods import parse
from history.remembered import AGAIN_AFTER_DAYS, NAME, Remembered

TODAY = date(2024, 3, 5)


def test_it_is_remembered_for_a_while(tmp_path: Path) -> None:
    folder = tmp_path / "ETHUSDT"
    Remembered.of(folder, TODAY).remember([parse("2017-01"), parse("2017-02-03")], [Hole(5, 6)])
    Remembered.of(folder, TODAY).remember([parse("2017-03")], [])
    known = Remembered.of(folder, TODAY + timedelta(days=AGAIN_AFTER_DAYS - 1))
    assert known.absent_names() == {"2017-01", "2017-02-03", "2017-03"}
    assert known.was_asked(Hole(5, 6)) and not known.was_asked(Hole(5, 7))
    later = Remembered.of(folder, TODAY + timedelta(days=AGAIN_AFTER_DAYS))
    assert later.absent_names() == set() and not later.was_asked(Hole(5, 6))
    assert [path.name for path in folder.iterdir()] == [NAME]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"absent": {"2017-01": 5}, "holes": {"5-6": null}}', '{"absent": 1}']
)
def test_a_file_that_cannot_be_read_is_nothing_remembered(tmp_path: Path, text: str) -> None:
    (tmp_path / NAME).write_text(text)
    known = Remembered.of(tmp_path, TODAY)
    assert known.absent_names() == set() and not known.was_asked(Hole(5, 6))

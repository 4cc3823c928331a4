"""What `python -m bench` says of targets, and what it keeps of them."""

import re
from pathlib import Path

import pytest

from bench import targets
from tests.support.environment import ROOT


def test_a_target_is_missed_by_its_part_of_the_bound() -> None:
    assert targets.Target("ratio", 1.5).missed_by(1.8) == pytest.approx(0.2)
    assert targets.Target("ratio", 1.5).missed_by(1.4) == 0
    assert targets.Target("rate", 25, is_minimum=True).missed_by(20) == pytest.approx(0.2)
    assert targets.Target("rate", 25, is_minimum=True).missed_by(30) == 0


def test_the_table_names_what_is_missed_and_nothing_that_was_not_measured() -> None:
    lines = targets.compared(
        {"latency: p50 / floor": 1.8, "cycles: a second": 30.0, "somebody's own": 1.0}
    ).splitlines()
    assert [line.split("  ")[0] for line in lines[1:-1]] == ["latency: p50 / floor", "cycles: a second"]
    assert [line.rpartition("  ")[2].strip() for line in lines[1:-1]] == ["missed by 20%", "25"]
    assert lines[-1] == "1 of 2 targets are missed"
    assert targets.compared({}) == ""


def test_only_ratios_are_kept_with_their_version(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    figures = {"latency: p50 / floor": 1.8, "cycles: a second": 30.0}
    for version in ("1.0", "1.1"):
        assert targets.record(figures, version, "2026-11-30", path) == 1
    assert path.read_text().splitlines() == [
        "version,date,figure,value",
        "1.0,2026-11-30,latency: p50 / floor,1.800",
        "1.1,2026-11-30,latency: p50 / floor,1.800",
    ]


def test_a_figure_goes_from_a_measurement_to_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    targets.tell("memory: RSS, MB", 1.0)  # Nobody listens.
    path = tmp_path / "figures"
    monkeypatch.setenv(targets.FIGURES, str(path))
    targets.tell("memory: RSS, MB", 590.0)
    assert targets.told(path) == {"memory: RSS, MB": 590.0}
    assert targets.told(tmp_path / "nothing") == {}


def test_every_target_is_measured_by_somebody() -> None:
    sources = "\n".join(path.read_text() for path in (ROOT / "bench").glob("*.py") if path.name != "targets.py")
    patterns = [
        re.sub(r"\\{.*?\\}|\{.*?\}", ".+", re.escape(told).replace(r"\{", "{").replace(r"\}", "}"))
        for told in re.findall(r'tell\(\s*f?"([^"]+)"', sources)
    ]
    unmeasured = [
        target.figure for target in targets.TARGETS if not any(re.fullmatch(each, target.figure) for each in patterns)
    ]
    assert unmeasured == []

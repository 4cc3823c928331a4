"""The line that says how far a download is."""

from hedgehog_project.tables import size
from history.progress import Progress, duration


def test_it_tells_share_speed_and_time_left() -> None:
    now, lines = [0.0], list[str]()
    progress = Progress(10_000_000, lines.append, lambda: now[0])
    progress.arrived("a.zip", 1_000_000)  # was here already: no speed
    assert "left" not in progress._line()
    now[0] = 2.0
    progress.arrived("a.zip", 3_000_000)
    assert lines[-1] == "[#######                 ]  30%  3.0 MB of 10.0 MB  1.0 MB/s  7 s left"
    now[0] = 2.1
    progress.arrived("b.zip", 1_000_000)
    assert len(lines) == 1  # nobody reads faster
    progress.tell("ETHUSDT 2024-01")
    assert lines[-1].endswith("ETHUSDT 2024-01")


def test_more_than_was_known_makes_no_more_than_all() -> None:
    progress = Progress(0)
    progress.arrived("a.zip", 5)
    assert "100%  5 B of 5 B" in progress._line()
    progress.adds(15)
    assert "33%" in progress._line()


def test_bytes_and_seconds_are_as_people_read_them() -> None:
    assert [size(each) for each in (0, 999, 1500, 2_500_000, 3_400_000_000)] == [
        *("0 B", "999 B", "1.5 kB", "2.5 MB", "3.4 GB")
    ]
    assert [duration(each) for each in (4.4, 100, 12_000)] == ["4 s", "2 min", "3 h 20 min"]

"""What is there of each month."""

from history.coverage import State, holes_of, months
from history.holes import Hole
from history.periods import parse
from history.rows import Row


def file(name: str, first: int, last: int, *holes: Hole, doubts: tuple[str, ...] = ()) -> Row:
    missing = sum(hole.size for hole in holes)
    return Row(parse(name), last - first + 1 - missing, first, last, holes, doubts)


def told(*files: Row) -> list[tuple[str, State, int]]:
    return [(month.month.name, month.state, month.missing) for month in months(files)]


def test_months_without_holes_are_full() -> None:
    assert told(file("2024-01", 0, 9), file("2024-02", 10, 19)) == [
        ("2024-01", State.FULL, 0),
        ("2024-02", State.FULL, 0),
    ]


def test_a_hole_between_two_months_counts_in_the_later() -> None:
    assert told(file("2024-01", 0, 9), file("2024-02", 12, 19)) == [
        ("2024-01", State.FULL, 0),
        ("2024-02", State.HOLES, 2),
    ]
    assert told(file("2024-01", 0, 9), file("2024-03", 12, 19))[1] == ("2024-03", State.FULL, 0), "nobody can know"


def test_a_hole_within_a_file_counts_in_its_month_alone() -> None:
    assert told(file("2024-01", 0, 9, Hole(3, 4)), file("2024-02", 10, 19)) == [
        ("2024-01", State.HOLES, 2),
        ("2024-02", State.FULL, 0),
    ]


def test_what_one_file_lacks_another_may_have() -> None:
    assert told(file("2024-01", 0, 9, Hole(3, 4)), file("2024-01-15", 2, 5)) == [("2024-01", State.FULL, 0)]
    assert holes_of([file("2024-01", 0, 9, Hole(3, 6)), file("2024-01-15", 2, 5)]) == [Hole(3, 6)]


def test_days_are_a_part_until_all_are_there() -> None:
    days = [file(f"2024-02-{day:02}", day * 10, day * 10 + 9) for day in range(1, 30)]
    assert told(*days) == [("2024-02", State.FULL, 0)]
    assert told(*days[:-1]) == [("2024-02", State.PART, 0)]
    assert told(*days[:3], *days[4:]) == [("2024-02", State.PART, 0)]


def test_a_doubt_is_above_all() -> None:
    (month,) = months([file("2024-01", 0, 9, Hole(3, 4), doubts=("cannot be read",))])
    assert (month.state, month.doubts, month.days) == (State.SUSPECT, ("cannot be read",), 31)

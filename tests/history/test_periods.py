"""Months and days as the archive names them."""

from datetime import date

import pytest

from history import periods


def names(first: date, last: date) -> list[str]:
    return [period.name for period in periods.between(first, last)]


def test_whole_months_are_months_and_parts_are_days() -> None:
    found = names(date(2024, 1, 30), date(2024, 3, 2))
    assert found == ["2024-01-30", "2024-01-31", "2024-02", "2024-03-01", "2024-03-02"]
    assert names(date(2023, 12, 1), date(2024, 2, 29)) == ["2023-12", "2024-01", "2024-02"]
    assert names(date(2024, 3, 2), date(2024, 3, 1)) == []


def test_a_month_knows_its_bounds() -> None:
    february = periods.parse("2024-02")
    assert (february.is_month, february.name, len(list(february.days()))) == (True, "2024-02", 29)
    assert periods.day_at(february.begins_us) == date(2024, 2, 1)
    assert periods.day_at(february.ends_us - 1) == date(2024, 2, 29)
    assert periods.day_at(february.ends_us) == date(2024, 3, 1)
    assert periods.parse("2024-12").last == date(2024, 12, 31)
    assert periods.parse("2024-01-15").days().__next__().name == "2024-01-15"


@pytest.mark.parametrize("text", ["2024", "2024-13", "2024-02-30", "24-01", "2024-01-1", "2024/01", "", "2024-1"])
def test_what_is_no_period_says_what_one_looks_like(text: str) -> None:
    with pytest.raises(ValueError, match="such as 2024-01"):
        periods.parse(text)

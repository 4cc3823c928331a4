"""Style sheets: what a browser would pass over without a word."""

from pathlib import Path

import pytest

from tests.support.environment import ROOT

SHEETS = sorted((ROOT / "console/static/trading").glob("*.css"))


@pytest.mark.parametrize("sheet", SHEETS, ids=lambda sheet: sheet.name)
def test_every_block_is_closed_before_the_next_section(sheet: Path) -> None:
    """One that is not swallows all rules after it."""
    depth = 0
    for number, line in enumerate(sheet.read_text().splitlines(), 1):
        if line.startswith(("/*", "@media", ".")):
            assert depth == 0, f"line {number} stands in a block that was not closed"
        depth += line.count("{") - line.count("}")
    assert depth == 0

"""Each strategy that ships, other than the naive one, among the same misfortunes: it trades, and the books agree."""

import re

import pytest

from tests.simulation.test_simulation import simulate

SEEDS = 24


@pytest.mark.timeout(300)
@pytest.mark.parametrize("strategy", ["trailing"])
def test_whatever_happens_the_books_agree(strategy: str) -> None:
    ran = simulate("--seeds", str(SEEDS), "--strategy", strategy)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    for name, minimum in (("cycles", 3), ("orders", 30), ("fills", 15)):
        seen = re.search(rf"^{name} +([\d,]+)", ran.stdout, re.MULTILINE)
        assert seen is not None and int(seen[1].replace(",", "")) >= minimum, f"{name} were hardly ever seen"

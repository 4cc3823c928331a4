"""The short form of the fault suite: every kind of fault once, mixes of them, and kill -9 of every process.

FAULTS_SEED repeats a run. The long form is `make chaos`.
"""

import os
from collections import Counter
from pathlib import Path

import pytest
from pytest_django.plugin import DjangoDbBlocker

from tests.e2e.chaos.engine import Chaos
from tests.e2e.chaos.results import Result
from tests.e2e.chaos.steps import Step, killing, mix, parade

SEED = int(os.environ.get("FAULTS_SEED", "20261122"))
MIX_SECONDS = 8.0
# The promise: so soon after one process that was killed is started again, a cycle is finished.
TRADES_AGAIN_WITHIN_S = 10.0


def live_through(chaos: Chaos, steps: list[Step]) -> list[Result]:
    """All of them, unless one fails."""
    print(f"\nFAULTS_SEED={SEED}")
    results = []
    with chaos:
        for step in steps:
            result = chaos.run(step)
            print(result)
            assert result.has_passed, "\n".join([*result.differences, *result.problems, chaos.last_words])
            results.append(result)
    acted: Counter[str] = sum((result.acted for result in results), Counter())
    assert {"rebuys", "retargets", "stops"} <= acted.keys(), f"only these rules ever acted: {acted}"
    return results


@pytest.mark.timeout(300)
def test_every_kind_of_fault_and_mixes_with_deaths_cost_no_unit_and_no_order(
    tmp_path: Path, django_db_blocker: DjangoDbBlocker
) -> None:
    with django_db_blocker.unblock():
        live_through(Chaos(tmp_path, "sqlite"), [parade(SEED), mix(1, SEED, MIX_SECONDS), mix(2, SEED, MIX_SECONDS)])


@pytest.mark.timeout(300)
def test_each_process_killed_in_turn_costs_seconds_and_mixes_no_unit_on_postgresql(
    tmp_path: Path, request: pytest.FixtureRequest, django_db_blocker: DjangoDbBlocker
) -> None:
    database_url = request.getfixturevalue("postgres").create()
    with django_db_blocker.unblock():
        killed, *_ = live_through(
            Chaos(tmp_path, "postgres", database_url),
            [killing(SEED), mix(3, SEED, MIX_SECONDS), mix(4, SEED, MIX_SECONDS)],
        )
    took = {name: after for name, after in killed.kills if name != "everybody"}
    assert {name: after for name, after in took.items() if after is None or after > TRADES_AGAIN_WITHIN_S} == {}

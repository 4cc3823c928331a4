"""All planted bugs, and the hunt for the seed that fails with each: one bug at a time.

Each is what somebody could write in good faith.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path

from tests.simulation.mutants import of_hands, of_identity, of_money, of_orders, of_rules
from tests.simulation.run import run
from tests.simulation.surroundings.conditions import USUAL, Conditions
from tests.simulation.surroundings.patches import NothingToReplaceError, Patches

Plant = Callable[[Patches], None]

PLANTED: tuple[Plant, ...] = (
    *of_orders.PLANTED,
    *of_rules.PLANTED,
    *of_money.PLANTED,
    *of_identity.PLANTED,
    *of_hands.PLANTED,
)
MUTANTS: dict[str, Plant] = {plant.__name__: plant for plant in PLANTED}
# Of those that are hunted under others than the usual ones.
CONDITIONS: dict[str, Conditions] = {
    plant.__name__: conditions for plant, conditions in (*of_money.CONDITIONS.items(), *of_hands.CONDITIONS.items())
}


# By an invariant, a rule, or a constraint of the database. Anything else says that the bug was planted badly.
_CAUGHT = r"([IR][1-9]|totals): |IntegrityError: "


# The seed that caught each of them last. It is tried first; wherever code has changed, all the others may follow.
_CAUGHT_BY = Path(__file__).with_name("caught_by.json")


def remembered() -> dict[str, int]:
    caught_by: dict[str, int] = json.loads(_CAUGHT_BY.read_text())
    return caught_by


def remember(caught_by: dict[str, int]) -> None:
    _CAUGHT_BY.write_text(
        json.dumps({name: caught_by[name] for name in MUTANTS if name in caught_by}, indent=2) + "\n"
    )


def hunt(job: tuple[str, int, int | None]) -> tuple[str, int | None, str]:
    """Plants one bug in this process and runs seeds until one fails: its name, the seed or None, what was found.

    The job: the bug, how many seeds there are, and the one to begin with. Under conditions of its own the seed must
    pass without the bug.
    """
    name, seeds, first = job
    patches, conditions = Patches(), CONDITIONS.get(name, USUAL)
    try:
        MUTANTS[name](patches)
        for seed in sorted(range(seeds), key=lambda seed: seed != first):
            failure = run(seed, conditions).failure
            if re.match(_CAUGHT, failure):
                patches.undo()
                anyway = run(seed, conditions).failure if name in CONDITIONS else ""
                return (name, None, f"seed {seed} fails without it: {anyway}") if anyway else (name, seed, failure)
            if failure:
                return name, None, f"seed {seed} fails for another reason: {failure}"
        return name, None, ""
    except NothingToReplaceError as error:
        return name, None, f"it can't be planted: {error}"
    finally:
        patches.undo()

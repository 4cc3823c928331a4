"""System check (`manage.py check`): the modules that HEDGEHOG_STRATEGIES names are strategies, and use no old names.

A warning, for an error would refuse `halt` and keep `dispatch` from starting again: a mistake in somebody's own
module stops those traders that need it, and no others.
"""

import inspect
from typing import Any

from django.core.checks import CheckMessage, Warning, register

from trading.core import old_names, risk  # noqa: F401  # risk: only old strategies import it
from trading.strategies.registry import known, ships

HINT = (
    "See docs/strategies.md for a complete example. Write module names as in `import`: "
    "HEDGEHOG_STRATEGIES=my.module,other."
)


@register("settings")
def check_strategies(**_: Any) -> list[CheckMessage]:
    own = [each for each in known().strategies.values() if not ships(each)]
    written = (old_names.used_in(getattr(each, "__name__", ""), _source(each)) for each in own)
    unusable = (f"HEDGEHOG_STRATEGIES: {problem}" for problem in known().problems)
    return [
        *(Warning(problem, hint=HINT, id="hedgehog.W020") for problem in unusable),
        *(
            Warning(f"{use}.", hint="The old name works for one release.", id="hedgehog.W021")
            for use in sorted(old_names.used.union(*written))
        ),
    ]


def _source(module: Any) -> str:
    """Empty where there is none, as of a class that takes a module's place."""
    try:
        return inspect.getsource(module) if inspect.ismodule(module) else ""
    except (OSError, TypeError):
        return ""

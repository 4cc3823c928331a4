"""System check (`manage.py check`): the modules that HEDGEHOG_STRATEGIES names are strategies, and use no old names.

A warning, for an error would refuse `halt` and keep `dispatch` from starting again: a mistake in somebody's own
module stops those traders that need it, and no others.
"""

from typing import Any

from django.core.checks import CheckMessage, Warning, register

from trading.core import old_names
from trading.strategies.registry import known

HINT = (
    "See docs/strategies.md for a complete example. Write module names as in `import`: "
    "HEDGEHOG_STRATEGIES=my.module,other."
)


@register()
def check_strategies(**_: Any) -> list[CheckMessage]:
    unusable = (f"HEDGEHOG_STRATEGIES: {problem}" for problem in known().problems)
    return [
        *(Warning(problem, hint=HINT, id="hedgehog.W020") for problem in unusable),
        *(
            Warning(f"{use}.", hint="The old name works for one release.", id="hedgehog.W021")
            for use in sorted(old_names.used)
        ),
    ]

"""System check (`manage.py check`): the modules that HEDGEHOG_STRATEGIES names are strategies.

A warning, for an error would refuse `halt` and keep `dispatch` from starting again: a mistake in somebody's own
module stops those traders that need it, and no others.
"""

from typing import Any

from django.core.checks import CheckMessage, Warning, register

from trading.strategies.registry import known

HINT = (
    "See docs/strategies.md for a complete example. Write module names as in `import`: "
    "HEDGEHOG_STRATEGIES=my.module,other."
)


@register()
def check_strategies(**_: Any) -> list[CheckMessage]:
    return [Warning(f"HEDGEHOG_STRATEGIES: {problem}", hint=HINT, id="hedgehog.W020") for problem in known().problems]

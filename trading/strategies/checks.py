"""System check (`manage.py check`): the modules that HEDGEHOG_STRATEGIES names are strategies."""

from typing import Any

from django.core.checks import CheckMessage, Error, register

from trading.strategies.registry import known

HINT = "docs/strategies.md shows a whole one. Modules are named as in `import`: HEDGEHOG_STRATEGIES=my.module,other."


@register()
def check_strategies(**_: Any) -> list[CheckMessage]:
    return [Error(f"HEDGEHOG_STRATEGIES: {problem}", hint=HINT, id="hedgehog.E020") for problem in known().problems]

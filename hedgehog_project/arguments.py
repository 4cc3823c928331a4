"""How a command says that its arguments are wrong: in one line, with where to look, instead of all of its options."""

from argparse import SUPPRESS, Action, ArgumentError
from typing import Any, NoReturn

from django.core.management import base

# Every command of Django's knows them. Above those of ours they hid what one was looking for.
DJANGOS = frozenset(
    {
        *("--version", "--verbosity", "--traceback", "--settings", "--pythonpath"),
        *("--no-color", "--force-color", "--skip-checks"),
    }
)


def hide_djangos(command: base.BaseCommand) -> None:
    """From now on its help shows its own options; Django's are taken as before."""
    create = command.create_parser

    def create_parser(*args: Any, **kwargs: Any) -> base.CommandParser:
        parser = create(*args, **kwargs)
        for action in parser._actions:
            if DJANGOS.intersection(action.option_strings):
                action.help = SUPPRESS
        return parser

    command.create_parser = create_parser  # type: ignore[method-assign]


class OneLineParser(base.CommandParser):
    """Django's own, in plain words."""

    def error(self, message: str) -> NoReturn:
        if not self.called_from_command_line:
            super().error(message)
        self.exit(2, f"hedgehog: {message.removeprefix('argument ')}. See `{self.prog} --help`.\n")

    def _check_value(self, action: Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            known = ", ".join(map(str, action.choices))
            raise ArgumentError(action, f"must be one of {known}, not {value!r}")

    def _get_value(self, action: Action, arg_string: str) -> Any:
        try:
            return super()._get_value(action, arg_string)
        except ArgumentError:
            # A function of ours says it itself.
            if action.type not in (int, float):
                raise
            kind = "a whole number" if action.type is int else "a number"
            raise ArgumentError(action, f"must be {kind}, not {arg_string!r}") from None


def say_in_one_line() -> None:
    """From now on, for all commands of this process."""
    base.CommandParser = OneLineParser  # type: ignore[misc]

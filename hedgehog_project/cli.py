"""The command line: what an operator can fix is one line that says how, not a traceback."""

import ast
import errno
import os
import sys
from importlib.util import find_spec
from pathlib import Path
from textwrap import shorten, wrap
from typing import NoReturn

import redis
from django.conf import settings
from django.core import management
from django.core.exceptions import ImproperlyConfigured
from django.core.management import BaseCommand, ManagementUtility, find_commands
from django.db import DatabaseError, DataError, IntegrityError, OperationalError, ProgrammingError

from hedgehog_project import emergency, installed, quick_help
from hedgehog_project.arguments import hide_djangos, say_in_one_line
from hedgehog_project.env import forgive
from hedgehog_project.hiding import hidden
from hedgehog_project.interrupt import INTERRUPTED, raise_again
from hedgehog_project.last_run import recall
from hedgehog_project.outside import one_line
from hedgehog_project.redis_health import words as redis_words

# The packages whose commands are for operators.
OURS = ("console", "trading", "streamer", "history", "binance_mock")
# Of the settings. All other checks are of the code: `manage.py check` has them, and they import every page.
CHECKS = ["settings", "redis"]


class Commands(ManagementUtility):
    """Django's own, in which Ctrl-C is a command's to handle only once that has been imported."""

    def execute(self) -> None:
        """For the list of commands nothing is loaded: that takes three times as long as all else, and may fail."""
        if self.argv[1:] in ([], ["help"], ["-h"], ["--help"]):
            sys.stdout.write(self.main_help_text() + "\n")
        elif (text := self._help_of_command()) is not None:
            sys.stdout.write(text)
        else:
            name = "".join(self.argv[1:2]).replace("-", "_")
            if name in installed.QUICK:
                os.environ.setdefault("HEDGEHOG_PROCESS", name)
            super().execute()

    def _help_of_command(self) -> str | None:
        """Where one of ours is asked for nothing but its help."""
        words = self.argv[1:]
        if len(words) != 2 or not ({"-h", "--help"} & {words[1]} or words[0] == "help"):
            return None
        name = (words[1] if words[0] == "help" else words[0]).replace("-", "_")
        package = commands().get(name, "")
        if package.partition(".")[0] not in OURS:
            return None
        return quick_help.text(self.prog_name, name, package)

    def fetch_command(self, subcommand: str) -> BaseCommand:
        # `move-database`, as one types it; a module can't be called so.
        command = super().fetch_command(subcommand.replace("-", "_"))
        if type(command).__module__.partition(".")[0] in OURS:
            hide_djangos(command)
            if command.requires_system_checks == "__all__":
                command.requires_system_checks = CHECKS
        raise_again()
        return command

    def main_help_text(self, commands_only: bool = False) -> str:
        """Ours first, each with what it does, as they are typed; then Django's and others' by their names."""
        if commands_only:
            return super().main_help_text(commands_only)
        of = commands()
        ours = sorted(name for name, app in of.items() if app.partition(".")[0] in OURS)
        width = max(map(len, ours), default=0)
        lines = [f"Type '{self.prog_name} COMMAND --help' for its options.", ""]
        for name in ours:
            about = _help_of(of[name], name).partition(". ")[0].partition(": ")[0].rstrip(".")
            lines.append(f"  {name.replace('_', '-'):<{width}}  {shorten(about, 100, placeholder=' …')}")
        others = ", ".join(sorted(name for name in of if name not in ours))
        return "\n".join([*lines, "", *wrap(f"Of Django and others: {others}", 100)])


def commands() -> dict[str, str]:
    """Each command's package. As Django's get_commands(), which loads every app for it."""
    folders = {"django.core": Path(management.__file__).parent}
    for app in reversed(installed.EVERYTHING):
        package = app.partition(".apps.")[0]
        spec = find_spec(package)
        if spec and spec.origin:
            folders[package] = Path(spec.origin).parent / "management"
    return {name: package for package, folder in folders.items() for name in find_commands(str(folder))}


def _help_of(app: str, name: str) -> str:
    """A command's help, read from its file, up to what is computed: to import all takes longer than the rest."""
    spec = find_spec(f"{app}.management.commands.{name}")
    tree = ast.parse(Path(spec.origin).read_text()) if spec and spec.origin else ast.Module([], [])
    constants: dict[str, ast.expr] = {}
    for node in (*tree.body, *(inner for each in tree.body if isinstance(each, ast.ClassDef) for inner in each.body)):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            constants[node.targets[0].id] = node.value
    found = constants.get("help")
    if isinstance(found, ast.Name):
        found = constants.get(found.id)
    while isinstance(found, ast.BinOp):
        found = found.left
    return str(found.value) if isinstance(found, ast.Constant) else ""


def advice(error: Exception) -> str:
    """One line for the operator: what is wrong, and what to do."""
    words = one_line(error)
    if isinstance(error, redis.RedisError | DatabaseError):
        words = hidden(words)  # Other errors may say that there are no settings to know secrets from.
    match error:
        case redis.ResponseError():
            return f"{redis_words(error)}. See `manage.py status`."
        case redis.RedisError():
            return f"Redis does not answer: {words}. Start everything with `make run`, or set REDIS_URL."
        case OperationalError() | ProgrammingError() if any(
            missing in words for missing in ("no such table", "no such column", "does not exist")
        ):
            return f"The database is not migrated: {words}. Run `manage.py migrate` or `make run`."
        case DatabaseError():
            entry = settings.DATABASES["default"]
            where = (
                f"{entry['HOST'] or 'localhost'}:{entry.get('PORT') or 5432}" if entry.get("HOST") else entry["NAME"]
            )
            return f"The database ({where}) cannot be used: {words}. See DATABASE_URL."
        case _:
            return words


def main() -> None:
    """manage.py: exits with 1 after one line. With --traceback, errors come through as they are."""
    is_bare = "--traceback" in sys.argv
    forgiven: list[str] = []
    halt: emergency.Emergency | None = None
    try:
        halt = emergency.begin(sys.argv[1:])
        if sys.argv[1:2] in (["halt"], ["resume"]):
            forgiven = forgive()
        recall()
        say_in_one_line()
        Commands(sys.argv).execute()
        sys.stdout.flush()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        # `head` has seen enough. Python would complain at its end (library/signal, "Note on SIGPIPE").
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        if is_bare or (halt is None and error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS)):
            raise
        # What could not be written is given up, else Python would try again at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        _exit(f"{error.strerror or error}: {error.filename or 'standard output'}", halt)
    except (
        ImproperlyConfigured,
        DatabaseError,
        redis.ConnectionError,
        redis.TimeoutError,
        redis.OutOfMemoryError,
        redis.ReadOnlyError,
    ) as error:
        # What breaks a constraint is a fault of ours, not of the installation.
        if is_bare or isinstance(error, DataError | IntegrityError):
            raise
        _exit(advice(error), halt)
    except Exception as error:
        if is_bare or halt is None:
            raise
        # A fault of ours, or of this Python: what holds all the same comes first.
        _exit(f"{type(error).__name__}: {_without_secrets(str(error))}", halt)
    finally:
        for problem in forgiven:
            print(f"hedgehog: {problem}. The command continues without it.", file=sys.stderr)
        if halt is not None:
            halt.rest()


def _without_secrets(text: str) -> str:
    """As far as the settings can be read that know them."""
    try:
        return hidden(text)
    except ImproperlyConfigured:
        return text


def _exit(problem: str, halt: emergency.Emergency | None) -> NoReturn:
    sys.exit(f"hedgehog: {problem.rstrip('.')}. {halt.words()}" if halt else f"hedgehog: {problem}")

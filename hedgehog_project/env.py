"""Where settings come from: the environment, then `.env`; and the folder that is this installation's home."""

import io
import os
import re
from pathlib import Path
from typing import Any, ClassVar

import environ
from django.core.exceptions import ImproperlyConfigured

from hedgehog_project import addresses
from hedgehog_project.database import sessions
from hedgehog_project.exec_with_parent import drop_keys, may_have
from hedgehog_project.proxies import keep_loopback_direct

BASE_DIR = Path(__file__).resolve().parent.parent


class Secret(str):
    """A text that does not show in a repr: not in a traceback's variables, nor in `manage.py diffsettings`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<secret>" if self else "''"


class Env(environ.FileAwareEnv):
    """X is read from the file that X_FILE names, where that is set: keys need never stand in the environment.

    A value of the wrong kind raises ImproperlyConfigured with a sentence for the operator.
    """

    # The names of all settings that were read: there are no others.
    asked: ClassVar[set[str]] = set()

    def get_value(
        self, var: str, cast: Any = None, default: Any = environ.Env.NOTSET, parse_default: bool = False
    ) -> Any:
        self.asked.add(var)
        try:
            return super().get_value(var, cast, default, parse_default)
        except UnicodeDecodeError:
            problem = f"{var}_FILE {os.environ[f'{var}_FILE']} is not a text file"
        except ValueError:
            kind = "a whole number" if cast is int else f"a {getattr(cast, '__name__', 'value')}"
            problem = f"{var} must be {kind}, not {os.environ.get(var)!r}"
        except OSError as error:
            problem = _unreadable(var, error)
        return refuse(var, problem, default)

    def secret(self, var: str, default: str = "") -> Secret:
        """A key or a password, without the white space around it, such as a file's last newline.

        `$` at its beginning is part of it; str() would take the rest for a variable's name, and show it. A key that
        this process is not given is empty, whatever its default is.
        """
        self.asked.add(var)
        if not may_have(var):
            return Secret()
        try:
            return Secret(self.ENVIRON.get(var, default).strip())
        except OSError as error:
            problem = _unreadable(var, error)
        except UnicodeDecodeError:
            problem = f"{var}_FILE is not a text file"
        return Secret(refuse(var, problem, default))

    def flag(self, var: str, default: bool) -> bool:
        """Yes or no. environ's own takes every word that it does not know for no."""
        word = self.str(var, default="").strip().lower()
        if word in self.BOOLEAN_TRUE_STRINGS:
            return True
        if word in ("0", "false", "off", "no", "n"):
            return False
        return bool(refuse(var, f"{var} must be 1 or 0, not {word!r}", default)) if word else default

    def address(self, var: str) -> Secret:
        """The address of a server, which may hold a password. Raises ImproperlyConfigured, and repeats nothing."""
        value = self.secret(var)
        if problem := addresses.fault(value):
            return Secret(refuse(var, f"{var} cannot be read: it {problem}", ""))
        return value

    def endpoint(self, var: str, default: str) -> str:
        """The address of an exchange, which is shown. Raises ImproperlyConfigured where it could hold a password."""
        value: str = self.str(var, default=default)
        if "@" in value:
            return str(refuse(var, f"{var} must name a host, and no user or password", default))
        return value


def _unreadable(var: str, error: OSError) -> str:
    # Not the file's name: it may be the secret itself, in the wrong place.
    return f"{var}_FILE cannot be read: {error.strerror}. It must name a file that contains {var}"


# What a command of an emergency has found wrong and goes on without; None: for all others it is an error.
_forgiven: list[str] | None = None
# Which installation it is. A default in their place would be another one's.
NEVER_FORGIVEN = frozenset({"HEDGEHOG_HOME", "DATABASE_URL"})


def forgive() -> list[str]:
    """From now on a setting that is wrong gets its default; the list that is returned tells of each.

    For halt and resume: a port that is misspelt must not keep them from the database.
    """
    global _forgiven
    if _forgiven is None:
        _forgiven = []
    return _forgiven


def refuse(var: str, problem: str, default: Any) -> Any:
    """The default, where wrong settings are forgiven. Raises ImproperlyConfigured where not."""
    if _forgiven is None or var in NEVER_FORGIVEN or default is environ.Env.NOTSET:
        raise ImproperlyConfigured(problem)
    _forgiven.append(problem)
    return default


env = Env()
# The names that the environment itself gives; `.env` comes after it.
GIVEN = frozenset(os.environ)
_env_file = Path(os.environ.get("HEDGEHOG_ENV_FILE", BASE_DIR / ".env"))


def _take_in(path: Path) -> tuple[str, bool]:
    """Reads `.env`. What is wrong with it, in words, and whether it is read all the same."""
    if not path.is_file():
        return "", True
    try:
        content = path.read_bytes()
    except OSError as error:
        return f"{path} cannot be read: {error.strerror}", False
    try:
        text, fault = content.decode(), ""
    except UnicodeDecodeError:
        # In Latin-1 every file is text, and names are ASCII: an emergency gets what can be read of it.
        lines = re.findall(r"^(?:export )?[A-Z0-9_]+=.*$", content.decode("latin-1"), re.MULTILINE)
        text, fault = "\n".join(lines), f"{path} is not UTF-8 text"
    environ.Env.read_env(io.StringIO(text))
    return fault, True


_fault, _is_read = _take_in(_env_file)
# Those that only `.env` gives.
FROM_FILE = frozenset(os.environ) - GIVEN
# Those of `.env` as well.
drop_keys()
# Here, for every process of ours reads its settings before it calls anybody.
keep_loopback_direct()


def one_of(var: str, default: str, *others: str) -> str:
    """A setting that knows only these values."""
    value: str = env.str(var, default=default)
    if value not in (default, *others):
        known = ", ".join((default, *others))
        value = refuse(var, f"{var} must be one of {known}, not {value!r}", default)
    return value


def home_path() -> Path:
    """HEDGEHOG_HOME, whether it is there or not."""
    return Path(env.str("HEDGEHOG_HOME", default=str(BASE_DIR / "var"))).expanduser().resolve()


def home() -> Path:
    """HEDGEHOG_HOME, made where it is missing. Raises ImproperlyConfigured where it cannot be made.

    Whether there is room in it is asked by `make run` alone: a full disk must keep nobody from halting.
    """
    if _fault:
        # What was not read may name another database.
        refuse(".env", _fault, "" if _is_read else environ.Env.NOTSET)
    folder = home_path()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ImproperlyConfigured(f"HEDGEHOG_HOME {folder} cannot be written to: {error.strerror}") from error
    return folder


def database(folder: Path) -> dict[str, Any]:
    """Django's DATABASES entry for DATABASE_URL; SQLite in `folder` where it is not set."""
    address = env.secret("DATABASE_URL")
    if address:
        return database_at(address, "DATABASE_URL")
    return _completed({"ENGINE": "django.db.backends.sqlite3", "NAME": str(folder / "hedgehog.sqlite3")})


def database_at(address: str, named: str) -> dict[str, Any]:
    """Django's DATABASES entry for an address. Raises ImproperlyConfigured, which names the setting `named`.

    The address may hold a password: messages show only what is wrong with it.
    """
    advice = "use postgresql://user:password@host:5432/name or sqlite:////path/to/file"
    if not address.startswith(("postgres://", "postgresql://", "psql://", "pgsql://", "sqlite://")):
        raise ImproperlyConfigured(f"{named} is neither PostgreSQL nor SQLite: {advice}")
    if address.startswith("sqlite://"):
        is_file = address.startswith("sqlite:///") or address == "sqlite://:memory:"
        problem = "" if is_file else "names a host, which SQLite does not have"
    else:
        problem = addresses.fault(address, is_lenient=True)
    if problem:
        raise ImproperlyConfigured(f"{named} cannot be read: it {problem}; {advice}")
    try:
        entry: dict[str, Any] = environ.Env.db_url_config(address)
    except ValueError:
        raise ImproperlyConfigured(f"{named} cannot be read: {advice}") from None
    if entry["NAME"] in ("", ":memory:"):  # Every process would have a memory of its own.
        raise ImproperlyConfigured(f"{named} names no database: {advice}")
    return _completed(entry)


def _completed(entry: dict[str, Any]) -> dict[str, Any]:
    """With what every connection of ours needs."""
    entry |= {"CONN_MAX_AGE": None, "CONN_HEALTH_CHECKS": True}
    if entry["ENGINE"].endswith("sqlite3"):
        # IMMEDIATE: a transaction takes the write lock when it begins. With SQLite's default most of several
        # writers' transactions fail with "database is locked", whatever the timeout.
        entry["NAME"] = str(BASE_DIR / entry["NAME"])  # whatever folder a command is run in
        entry["OPTIONS"] = {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA busy_timeout=20000;",
        }
    else:
        sessions.configure(entry)
        entry["USER"], entry["PASSWORD"] = Secret(entry["USER"] or ""), Secret(entry["PASSWORD"] or "")
        passwords = {name: Secret(value) for name, value in entry["OPTIONS"].items() if "password" in name.lower()}
        entry["OPTIONS"] |= passwords
    return entry

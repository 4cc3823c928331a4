"""What the environment gave the last `make run` of this home: `manage.py` in another terminal goes by it too.

Without it `make run DATABASE_URL=…` would trade in one database, and `manage.py halt` would stop another.
"""

import json
import os
import sys
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from hedgehog_project.env import FROM_FILE, GIVEN, home_path
from hedgehog_project.home import write_secret

FILE = "last_run.json"
# What it takes to find the same database, processes and prices. No exchange's key: those are never stored.
NAMES = ("DATABASE_URL", "REDIS_URL", "WEB_PORT", "FLOWER", "FLOWER_PORT", "MOCK_PORT", "MARKET",
         "HEDGEHOG_STRATEGIES", "HEDGEHOG_PART")  # fmt: skip
# Where Python finds the modules of HEDGEHOG_STRATEGIES.
FOLDERS = "PYTHONPATH"


def remember(home: Path) -> None:
    """Writes down what the environment gave. What stands in `.env` is left out: every command reads that itself."""
    names = [name for setting in NAMES for name in (setting, f"{setting}_FILE") if name in GIVEN]
    given = {name: os.environ[name] for name in names}
    if folders := os.environ.get(FOLDERS):
        plain = filter(None, folders.split(os.pathsep))
        given[FOLDERS] = os.pathsep.join(str(Path(folder).resolve()) for folder in plain)
    write_secret(home / FILE, json.dumps(given, indent=2) + "\n")


def market(home: Path) -> str:
    """What MARKET was in the last run of this home; empty where none is known of."""
    try:
        given = json.loads((home / FILE).read_text())
    except (OSError, ValueError):
        return ""
    # What `.env` says is not written down.
    return str(given.get("MARKET") or (os.environ["MARKET"] if "MARKET" in FROM_FILE else "simulated"))


def recall() -> None:
    """Puts it into the environment where neither that nor `.env` says otherwise. Raises ImproperlyConfigured."""
    path = home_path() / FILE
    try:
        given = json.loads(path.read_text())
    except (FileNotFoundError, NotADirectoryError):
        return  # `make run` has not run here, or settings.py says what is wrong with this home.
    except OSError as error:
        # Without it another database would be taken for this installation's.
        raise ImproperlyConfigured(f"{path} cannot be read: {error.strerror}") from error
    except ValueError:
        raise ImproperlyConfigured(f"{path} cannot be read: delete it; the next `make run` recreates it") from None
    for setting in NAMES:
        names = (setting, f"{setting}_FILE")
        if not any(name in os.environ for name in names):
            os.environ.update({name: given[name] for name in names if name in given})
    if FOLDERS in given and FOLDERS not in GIVEN:
        os.environ[FOLDERS] = given[FOLDERS]
        # Where Python would have put them: behind the command's own folder.
        sys.path[1:1] = given[FOLDERS].split(os.pathsep)

"""What the environment gave the last `make run` of this home: `manage.py` in another terminal goes by it too.

Without it `make run DATABASE_URL=…` would trade in one database, and `manage.py halt` would stop another.
"""

import json
import os
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from hedgehog_project.env import GIVEN, home_path
from hedgehog_project.home import write_secret

FILE = "last_run.json"
# What it takes to find the same database, processes and prices. No exchange's key: those are never stored.
NAMES = ("DATABASE_URL", "REDIS_URL", "WEB_PORT", "FLOWER_PORT", "MOCK_PORT", "MARKET", "HEDGEHOG_STRATEGIES",
         "HEDGEHOG_PART")  # fmt: skip


def remember(home: Path) -> None:
    """Writes down what the environment gave. What stands in `.env` is left out: every command reads that itself."""
    names = [name for setting in NAMES for name in (setting, f"{setting}_FILE") if name in GIVEN]
    write_secret(home / FILE, json.dumps({name: os.environ[name] for name in names}, indent=2) + "\n")


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

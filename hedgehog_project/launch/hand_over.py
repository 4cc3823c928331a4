"""How `make run` gives its secrets to supervisor's programs, and none of them to supervisor itself.

Supervisor forks its programs from its own memory (supervisor.py): what it knew, all of them would know. So the
secrets are in a file that has no name and is on no disk (memfd_create, Linux only). Each program reads those that it
may have.
"""

import json
import os
from collections.abc import Mapping
from typing import NamedTuple

from hedgehog_project.exec_with_parent import is_key, may_have

# Beside the exchanges' keys. An address may hold a password.
OTHERS = frozenset({"DATABASE_URL", "REDIS_URL", "SECRET_KEY"})


class HandedOver(NamedTuple):
    """An open file, and where in it the value of each setting is: its first byte and its length."""

    file: int
    places: Mapping[str, tuple[int, int]]

    def __str__(self) -> str:
        return json.dumps(self)

    @classmethod
    def read(cls, text: str) -> "HandedOver":
        file, places = json.loads(text)
        return cls(file, {name: (first, length) for name, (first, length) in places.items()})

    def give(self, environment: dict[str, str]) -> None:
        """Adds what a process of this environment may have. What it sets for itself, it keeps."""
        for name, (first, length) in self.places.items():
            if name not in environment and may_have(name, environment):
                environment[name] = os.fsdecode(os.pread(self.file, length, first))


def put_away(environment: dict[str, str]) -> HandedOver:
    """Takes the secrets out of the environment. The file stays open in a process that is started with it."""
    file = os.memfd_create("secrets")
    places: dict[str, tuple[int, int]] = {}
    end = 0
    for name in [name for name in environment if name in OTHERS or is_key(name)]:
        value = os.fsencode(environment.pop(name))
        places[name] = (end, os.pwrite(file, value, end))
        end += len(value)
    return HandedOver(file, places)

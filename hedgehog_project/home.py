"""The folder where an installation keeps what is its own: database, Redis data, logs, secrets."""

import os
import secrets
from pathlib import Path

# Flower's login: its name, and the secret that is its password.
FLOWER_USER = "hedgehog"
FLOWER_PASSWORD = "flower_password"


def secret(home: Path, name: str) -> str:
    """The secret kept in `home/name`; made at random, readable by its owner only, where there is none yet."""
    path = home / name
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        home.mkdir(parents=True, exist_ok=True)
    value = secrets.token_urlsafe(32)
    # Several processes may start at once: whoever links the complete file first wins, the others read it.
    draft = home / f".{name}.{os.getpid()}"
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(value + "\n")
    try:
        os.link(draft, path)
    except FileExistsError:
        value = path.read_text().strip()
    finally:
        draft.unlink()
    return value


def write_secret(path: Path, text: str) -> None:
    """Writes a file that only its owner may read; readers see the old text or the new one, never half of it."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    draft.replace(path)


def redis_url(home: Path) -> str:
    """Where the embedded Redis of this home listens; `make run` writes it down when it chooses the port."""
    try:
        return (home / "redis.url").read_text().strip()
    except FileNotFoundError:
        return "redis://127.0.0.1:6379/0"

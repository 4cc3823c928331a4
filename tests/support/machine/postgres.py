"""A temporary PostgreSQL cluster from the server that is installed on this machine."""

import os
import pwd
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import psycopg
from psycopg import sql

from hedgehog_project.ports import HOST, free_port

NOT_INSTALLED = "PostgreSQL's server is not installed (Debian: apt install postgresql)"
USER = "hedgehog"


def bin_folder() -> Path | None:
    """Where initdb and pg_ctl are; the newest version where there are several; None where there is none."""
    found = sorted(
        (path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")),
        key=lambda folder: float(folder.parent.name),
    )
    if found:
        return found[-1]
    on_path = shutil.which("initdb")
    return Path(on_path).resolve().parent if on_path else None


def _owner() -> str | None:
    """The user that the server runs as. PostgreSQL refuses to run as root; Debian's package makes this user."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody") if name in names)


class Cluster:
    """A server of its own on a free port of 127.0.0.1, with its data in a temporary folder. Fast, not durable."""

    def __init__(self, also_at: str = "") -> None:
        """`also_at`: another address of this machine, at which the hosts of its network may connect."""
        self._addresses = ",".join(filter(None, (HOST, also_at)))
        folder = bin_folder()
        if folder is None:
            raise RuntimeError(NOT_INSTALLED)
        self._bin = folder
        self._owner = _owner()
        self._home = Path(tempfile.mkdtemp(prefix="hedgehog-postgres-"))
        self._password = secrets.token_urlsafe(16)
        self._numbers = count(1)
        self.port = free_port()
        password_file = self._home / "password"
        password_file.write_text(self._password)
        if self._owner:
            shutil.chown(self._home, self._owner)
            shutil.chown(password_file, self._owner)
        try:
            self._run(
                "initdb", "--username", USER, "--pwfile", str(password_file), "--auth=scram-sha-256",
                "--encoding=UTF8", "--no-locale", "--no-sync",
            )  # fmt: skip
            if also_at:
                with (self._home / "data" / "pg_hba.conf").open("a") as rules:
                    rules.write("host all all samenet scram-sha-256\n")
            self.start()
        except BaseException:
            shutil.rmtree(self._home, ignore_errors=True)
            raise

    def start(self) -> None:
        """Starts the server and waits until it answers."""
        options = (
            f"-c listen_addresses={self._addresses} -c port={self.port} -c unix_socket_directories='' "
            "-c max_connections=100 -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c timezone=UTC"
        )
        self._run("pg_ctl", "start", "-w", "-t", "30", "-l", str(self._home / "log"), "-o", options)

    def stop(self, mode: str = "immediate") -> None:
        """Stops the server and removes everything it kept."""
        self.halt(mode)
        shutil.rmtree(self._home, ignore_errors=True)

    def halt(self, mode: str = "immediate") -> None:
        """Stops the server, for start() to bring it back with the same data."""
        self._run("pg_ctl", "stop", "-w", "-m", mode)

    def create(self) -> str:
        """A new, empty database: its DATABASE_URL."""
        name = f"hedgehog_{next(self._numbers)}"
        with psycopg.connect(self._url("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return self._url(name)

    def _url(self, name: str) -> str:
        return f"postgresql://{USER}:{self._password}@{HOST}:{self.port}/{name}"

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._bin / program), "-D", str(self._home / "data"), *arguments]
        # The server keeps what it is given open; a file, unlike a pipe, does not make us wait for it.
        with (self._home / "tools.log").open("ab") as log:
            result = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._home,
                user=self._owner,
                group=self._owner and pwd.getpwnam(self._owner).pw_gid,
                extra_groups=[] if self._owner else None,
                env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
                check=False,
            )
        if result.returncode:
            logs = [path.read_text() for path in (self._home / "tools.log", self._home / "log") if path.exists()]
            raise RuntimeError(f"{' '.join(command)} ended with {result.returncode}:\n" + "\n".join(logs)[-3000:])


@contextmanager
def database_url(database: str) -> Iterator[str]:
    """The DATABASE_URL of a new, empty database: "postgres"; "sqlite" is in the stack's home, and has an empty one.

    Ends the program with 2 where the server is not installed.
    """
    if database == "sqlite":
        yield ""
        return
    if bin_folder() is None:
        print(NOT_INSTALLED, file=sys.stderr)
        raise SystemExit(2)
    cluster = Cluster()
    try:
        yield cluster.create()
    finally:
        cluster.stop()

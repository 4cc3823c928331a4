"""Another host on this machine: a network and a host name of its own, and a link that can be cut (Linux, as root)."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

NOT_POSSIBLE = "needs root, and `ip` and `unshare` (Debian: apt install iproute2 util-linux)"


def is_possible() -> bool:
    """Whether this process may make hosts: a trial shows more than a user's number."""
    if os.geteuid() != 0 or shutil.which("ip") is None or shutil.which("unshare") is None:
        return False
    name = f"hh-try-{os.getpid()}"
    made = _ip("netns", "add", name, check=False).returncode == 0
    if made:
        _ip("netns", "del", name)
    return made


class OtherHost:
    """Reached from here at `there`; reaches us at `here`."""

    def __init__(self, name: str, number: int) -> None:
        self.name = name
        self._namespace = f"hh-{os.getpid()}-{number}"
        self._link = f"hh{os.getpid() % 100_000}n{number}"
        net = f"10.213.{(os.getpid() + number) % 254 + 1}"
        self.here, self.there = f"{net}.1", f"{net}.2"

    @property
    def prefix(self) -> list[str]:
        """What a command begins with that is to run there: it becomes the command, with the same process id."""
        inside = f'hostname {self.name} && exec "$@"'
        return ["ip", "netns", "exec", self._namespace, "unshare", "--uts", "sh", "-c", inside, "sh"]

    def cut(self) -> None:
        """Nothing comes through any more, in either direction, and nobody is told."""
        _ip("link", "set", self._link, "down")

    def mend(self) -> None:
        _ip("link", "set", self._link, "up")

    def _make(self) -> None:
        _ip("netns", "add", self._namespace)
        peer = f"{self._link}p"
        _ip("link", "add", self._link, "type", "veth", "peer", "name", peer, "netns", self._namespace)
        _ip("addr", "add", f"{self.here}/30", "dev", self._link)
        _ip("link", "set", self._link, "up")
        for command in (("addr", "add", f"{self.there}/30", "dev", peer), ("link", "set", peer, "up"),
                        ("link", "set", "lo", "up")):  # fmt: skip
            _ip("-n", self._namespace, *command)

    def _unmake(self) -> None:
        _ip("link", "del", self._link, check=False)
        _ip("netns", "del", self._namespace, check=False)


@contextmanager
def other_host(name: str, number: int = 1) -> Iterator[OtherHost]:
    """A host of this name, for as long as the block runs. Whatever runs there has to have ended by then."""
    host = OtherHost(name, number)
    try:
        host._make()
        yield host
    finally:
        host._unmake()


def _ip(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise OSError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
    return done

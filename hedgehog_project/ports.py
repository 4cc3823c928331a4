"""TCP ports of this machine's own address."""

import errno
import socket

HOST = "127.0.0.1"


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def why_not(port: int) -> str:
    """Why this process could not listen on `port`, in a few words; empty where it could."""
    with socket.socket() as probe:
        # As servers do: a connection of an earlier run that is closing does not count as taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
            probe.listen(1)
        except OSError as error:
            match error.errno:
                case errno.EADDRINUSE:
                    return "is in use by another program"
                case errno.EACCES | errno.EPERM:
                    return "is not allowed for this user"
            return f"cannot be used ({error.strerror})"
    return ""

"""What runs on this machine is never asked for through a proxy, whichever variable names one."""

import os
import sys
from collections.abc import MutableMapping

from django.core.exceptions import ImproperlyConfigured

from hedgehog_project.addresses import fault

# In each form that requests, urllib, aiohttp or websocket-client compares a host with.
LOOPBACK = ("localhost", "127.0.0.1", "127.0.0.0/8", "::1", "[::1]")


def must_be_readable() -> None:
    """Raises ImproperlyConfigured for a proxy that no library could read: each would repeat a piece of it."""
    for name, address in os.environ.items():
        if name.lower().endswith("_proxy") and name.lower() != "no_proxy" and (problem := fault(address)):
            raise ImproperlyConfigured(f"{name} cannot be read: it {problem}")


def keep_loopback_direct(environment: MutableMapping[str, str] = os.environ) -> None:
    """Adds the loopback addresses to no_proxy, for every client of this process and of those that it starts.

    Real exchanges are still reached through the proxy that is named.
    """
    named = {name.lower() for name, value in environment.items() if value and name.lower().endswith("_proxy")}
    # macOS and Windows have proxies of the system as well; urllib forgets those where the environment names anything.
    if sys.platform != "linux" and not named - {"no_proxy"}:
        return
    given = environment.get("no_proxy") or environment.get("NO_PROXY") or ""
    hosts = [host for each in given.split(",") if (host := each.strip())]
    # "*": all of them are reached directly. urllib knows it only where it stands alone.
    hosts = ["*"] if "*" in hosts else [*hosts, *(host for host in LOOPBACK if host not in hosts)]
    # Some read the one first, some the other.
    environment["no_proxy"] = environment["NO_PROXY"] = ",".join(hosts)

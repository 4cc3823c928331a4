"""Addresses of servers, which may hold a password: what is wrong with one is said without repeating it."""

import re
from urllib.parse import urlsplit

ESCAPES = "in a user name or password write / as %2F, ? as %3F, # as %23, @ as %40, : as %3A and % as %25"


def fault(address: str, is_lenient: bool = False) -> str:
    """Why nobody can tell the host from the password, in words that follow the setting's name; empty where all can.

    A library would take a piece of such a password for the host or its port, and name it in its messages.
    `is_lenient`: the one that reads this address escapes for itself what no address may hold, such as a #.
    """
    rest = address.partition("://")[2]
    found = re.search("[/?]" if is_lenient else "[/?#]", rest)
    authority, tail = (rest[: found.start()], rest[found.start() :]) if found else (rest, "")
    if "@" in tail:
        return f"has a /, ? or # before its @: {ESCAPES}"
    port = authority.rpartition("@")[2].rpartition("]")[2].partition(":")[2]
    if not all(re.fullmatch(r"[0-9]{0,5}", each.rpartition(":")[2]) for each in port.split(",")):
        return f"has a port that is not a number: {ESCAPES}"
    try:
        urlsplit(address)
    except ValueError:
        return "" if is_lenient else f"contains invalid characters: {ESCAPES}, and [ as %5B"
    return ""


def shown(address: str) -> str:
    """Host, port and path of an address without a fault; neither name nor password, nor options."""
    parts = urlsplit(address)
    return f"{parts.netloc.rpartition('@')[2]}{parts.path}"

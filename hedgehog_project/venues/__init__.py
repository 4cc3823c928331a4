"""Where trades come from (a market) and where orders go (a venue), and their addresses and keys."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from django.conf import settings

from hedgehog_project.exec_with_parent import may_have
from hedgehog_project.venues.keys import BadKey, Key, hmac_key, private_key
from hedgehog_project.venues.rate_limits import account_of
from hedgehog_project.venues.worlds import PAPER, Market, Venue, mock_world, rests, running, why_it_rests

__all__ = [
    "WORLD_HEADER",
    "Endpoints",
    "KeySettings",
    "Market",
    "Venue",
    "default_market",
    "endpoints",
    "facts_of_keys",
    "has_keys",
    "key_settings",
    "market_of",
    "markets",
    "mock_world",
    "rests",
    "running",
    "why_it_rests",
]

# Which world a request to the mock exchange is for: one that runs another refuses it.
WORLD_HEADER = "X-MOCK-WORLD"


@dataclass(frozen=True)
class Endpoints:
    """One exchange's addresses, and our key there."""

    rest_url: str  # without /api/v3
    ws_api_url: str
    stream_url: str  # without /ws or /stream
    key: Key | None = None
    why_no_key: str = ""  # for people; empty where there is a key, though another process may have it
    account: str = ""  # rate_limits.account_of its key
    headers: Mapping[str, str] = field(default_factory=dict, hash=False)  # of every request and handshake

    @property
    def api_key(self) -> str:
        return self.key.api_key if self.key else ""


@dataclass(frozen=True)
class KeySettings:
    """What the settings of a venue's key hold. Nothing of it shows in a repr."""

    prefix: str
    api_key: str = field(repr=False)
    secret: str = field(repr=False)
    private_key: str = field(repr=False)
    password: str = field(repr=False)

    @property
    def are_empty(self) -> bool:
        return not (self.api_key or self.secret or self.private_key)


def endpoints(venue: Venue) -> Endpoints:
    """The addresses and the key of a venue, as settings have them now."""
    key, problem, account = _key_of(venue)
    if venue.is_mock:
        address = f"127.0.0.1:{settings.MOCK_PORT}"
        return Endpoints(
            f"http://{address}",
            f"ws://{address}/ws-api/v3",
            f"ws://{address}",
            key,
            problem,
            account,
            {WORLD_HEADER: venue.shown},
        )
    rest_url, ws_api_url, stream_url = (
        str(getattr(settings, f"{venue.upper()}_{of}_URL")).rstrip("/") for of in ("REST", "WS_API", "STREAM")
    )
    return Endpoints(rest_url, ws_api_url, stream_url, key, problem, account)


def has_keys(venue: Venue) -> bool:
    """Whether this process is given a key of this venue, where there is one. Others ask a worker: exchange/remote."""
    return may_have(f"{_prefix(venue)}_API_SECRET")


def facts_of_keys() -> str:
    """What processes without keys may know of them, as the value of HEDGEHOG_KEY_FACTS for them."""
    return json.dumps({venue: [where.why_no_key, where.account] for venue in Venue for where in (endpoints(venue),)})


def _key_of(venue: Venue) -> tuple[Key | None, str, str]:
    """The key, why there is none, and its account."""
    venue = venue.exchange
    if not has_keys(venue):
        instead = [f"This process has no key for {venue}", ""]
        problem, account = json.loads(settings.HEDGEHOG_KEY_FACTS or "{}").get(venue, instead)
        return None, problem, account
    try:
        key = _key(key_settings(venue))
    except BadKey as error:
        return None, f"No key for {venue}: {error}", account_of("")
    return key, "", account_of(key.api_key)


def _prefix(venue: Venue) -> str:
    return "BINANCE" if venue == Venue.LIVE else venue.exchange.upper()


def key_settings(venue: Venue) -> KeySettings:
    """The live key's settings begin with BINANCE, those of the others with the venue's name."""
    prefix = _prefix(venue)
    names = ("API_KEY", "API_SECRET", "PRIVATE_KEY", "PRIVATE_KEY_PASSWORD")
    return KeySettings(prefix, *(getattr(settings, f"{prefix}_{name}") for name in names))


@lru_cache(maxsize=8)  # Opening an encrypted private key takes a while by intention.
def _key(given: KeySettings) -> Key:
    """Raises BadKey: what to set."""
    prefix = given.prefix
    if given.are_empty:
        raise BadKey(f"set {prefix}_API_KEY and {prefix}_API_SECRET (or {prefix}_PRIVATE_KEY)")
    if not given.api_key:
        there = "API_SECRET" if given.secret else "PRIVATE_KEY"
        raise BadKey(f"{prefix}_{there} is set, {prefix}_API_KEY is not")
    if not re.fullmatch(r"[!-~]+", given.api_key):
        raise BadKey(f"{prefix}_API_KEY contains a space, a line break or an invalid character")
    if given.secret and given.private_key:
        raise BadKey(f"{prefix}_API_SECRET and {prefix}_PRIVATE_KEY are both set: use one of them")
    if given.secret:
        return hmac_key(given.api_key, given.secret)
    if not given.private_key:
        raise BadKey(f"{prefix}_API_KEY is set, {prefix}_API_SECRET (or {prefix}_PRIVATE_KEY) is not")
    try:
        return private_key(given.api_key, given.private_key, given.password)
    except BadKey as error:
        raise BadKey(f"{prefix}_PRIVATE_KEY {error}") from None


def default_market() -> Market:
    """The market that the mock exchange's orders trade in: its own, or in paper mode Binance's."""
    return market_of(mock_world())


def market_of(venue: Venue) -> Market:
    """The market whose trade events concern the traders of a venue."""
    return Market.LIVE if venue == PAPER else venue


def markets() -> list[Market]:
    """Those that trades can come from now."""
    return list(dict.fromkeys(market_of(venue) for venue in running()))

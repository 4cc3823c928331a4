"""System checks of the settings (`manage.py check`): what is misconfigured, and what to write instead."""

import gzip
import os
import re
import stat
import zlib
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import redis
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register

from hedgehog_project import commission, exec_with_parent
from hedgehog_project.env import FROM_FILE, GIVEN, env
from hedgehog_project.outside import UNREADABLE, read_json
from hedgehog_project.venues import Venue, endpoints, key_settings

PORTS = ("WEB_PORT", "FLOWER_PORT", "MOCK_PORT")
# A venue's addresses: the scheme, which is encrypted with an s behind it, and the path.
ADDRESSES = {"REST": ("http", ""), "WS_API": ("ws", "/ws-api/v3"), "STREAM": ("ws", "")}
# What begins so in `.env` is meant for us.
OUR_PREFIXES = ("HEDGEHOG_", "KEEP_", "MOCK_", "BINANCE_", "TESTNET_", "DEMO_", "LIVE_")
SYMBOL = re.compile(r"[A-Z0-9]{2,20}")
MARKET_HINT = (
    "Write MARKET=simulated, MARKET=live or MARKET=replay:FILE@SPEED (a CSV, .gz or .zip; @SPEED is optional)."
)

# More would only wait for Python's one lock.
MAX_THREADS = 200
# How long rows are kept, in days; a hundred years are for ever.
SPANS = (
    *("KEEP_JOURNAL_DAYS", "KEEP_RECONCILIATIONS_DAYS", "KEEP_DENIED_ORDERS_DAYS"),
    *("KEEP_LOGINS_DAYS", "KEEP_HISTORY_DAYS"),
)
MAX_DAYS = 36_500


@register("settings")
def check_ports(**_: Any) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    seen: dict[int, str] = {}
    for name in PORTS:
        port = getattr(settings, name)
        if not 1 <= port <= 65535:
            found.append(
                Error(f"{name}={port} is not a port", hint="Choose one from 1024 to 65535.", id="hedgehog.E001")
            )
        elif port in seen:
            found.append(
                Error(
                    f"{name} and {seen[port]} are both {port}", hint=f"Give {name} another port.", id="hedgehog.E002"
                )
            )
        seen.setdefault(port, name)
    return found


@register("settings")
def check_threads(**_: Any) -> list[CheckMessage]:
    return [
        Error(
            f"{name}={getattr(settings, name)} is not between 1 and {MAX_THREADS}",
            hint="Unset it to use the default; each thread holds a connection to the database.",
            id="hedgehog.E013",
        )
        for name in ("WORKER_THREADS", "EXIT_THREADS")
        if not 1 <= getattr(settings, name) <= MAX_THREADS
    ]


@register("settings")
def check_spans(**_: Any) -> list[CheckMessage]:
    return [
        Error(
            f"{name}={getattr(settings, name)} is not between 0 and {MAX_DAYS}",
            hint="Write a number of days such as 90; 0 keeps everything.",
            id="hedgehog.E014",
        )
        for name in SPANS
        if not 0 <= getattr(settings, name) <= MAX_DAYS
    ]


@register("settings")
def check_market(**_: Any) -> list[CheckMessage]:
    fault = market_fault(settings.MARKET)
    return [Error(f"MARKET={settings.MARKET}: {fault}", hint=MARKET_HINT, id="hedgehog.E003")] if fault else []


def market_fault(market: str) -> str:
    """What is wrong with a MARKET value, in a few words; empty where nothing is."""
    if market in ("simulated", "live", "manual"):
        return ""
    if not market.startswith("replay:"):
        return "unknown market"
    name, at, speed = market.removeprefix("replay:").rpartition("@")
    if not at:
        name, speed = speed, "1"
    if not name:
        return "no file given"
    if not Path(name).is_file():
        return f"file not found: {name}"
    try:
        if not (Decimal(speed).is_finite() and Decimal(speed) > 0):
            return f"the speed {speed} is not above 0"
    except InvalidOperation:
        return f"the speed {speed!r} is not a number"
    return ""


@register("settings")
def check_symbols(**_: Any) -> list[CheckMessage]:
    hint = "Write them like HEDGEHOG_SYMBOLS=ETHUSDT,BTCUSDT."
    symbols = settings.HEDGEHOG_SYMBOLS
    if not symbols:
        return [Error("HEDGEHOG_SYMBOLS is empty", hint=hint, id="hedgehog.E004")]
    wrong = [symbol for symbol in symbols if not SYMBOL.fullmatch(symbol)]
    return [Error(f"HEDGEHOG_SYMBOLS: {symbol!r} is not a symbol", hint=hint, id="hedgehog.E004") for symbol in wrong]


@register("settings")
def check_mock(**_: Any) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    if settings.MOCK_FILL not in ("strict", "touch"):
        found.append(
            Error(
                f"MOCK_FILL={settings.MOCK_FILL} is unknown",
                hint="strict: an order fills when the market trades through its limit; touch: when it reaches it.",
                id="hedgehog.E005",
            )
        )
    for part in settings.MOCK_BALANCES.split(","):
        asset, _colon, amount = part.strip().partition(":")
        if not (re.fullmatch(r"[^\W_a-z]{1,20}", asset) and re.fullmatch(r"\d{1,10}(\.\d{1,8})?", amount)):
            found.append(
                Error(
                    f"MOCK_BALANCES: {part.strip()!r} must be ASSET:AMOUNT",
                    hint="Write them like MOCK_BALANCES=USDT:10000,BNB:1.5 (max eight decimals).",
                    id="hedgehog.E006",
                )
            )
    try:
        commission.read(settings.MOCK_COMMISSION)
    except ValueError as error:
        found.append(
            Error(
                f"MOCK_COMMISSION: {error}",
                hint="Write it like MOCK_COMMISSION=maker=0.001,taker=0.001,tax_maker=0.0011,tax_taker=0.0011.",
                id="hedgehog.E011",
            )
        )
    return found


@register("settings")
def check_exchange_info(**_: Any) -> list[CheckMessage]:
    path = settings.MOCK_EXCHANGE_INFO
    fault = exchange_info_fault(Path(path)) if path and settings.MARKET in ("simulated", "manual") else ""
    if not fault:
        return []
    hint = "Name a saved GET /api/v3/exchangeInfo (JSON, or .gz), or unset it to use the built-in symbols."
    return [Error(f"MOCK_EXCHANGE_INFO={path}: {fault}", hint=hint, id="hedgehog.E014")]


def exchange_info_fault(path: Path) -> str:
    """What is wrong with such a file, in a few words; empty where nothing is that shows at once."""
    if not path.is_file():
        return "file not found"
    try:
        body = path.read_bytes()
        info = read_json(gzip.decompress(body) if path.suffix == ".gz" else body)
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"
    except (EOFError, zlib.error, *UNREADABLE):
        return "is not JSON"
    return "" if isinstance(info, dict) and info.get("symbols") else "is no exchangeInfo: it lists no symbols"


@register("settings")
def check_names(**_: Any) -> list[CheckMessage]:
    """Settings that do not exist. The environment is full of others' names: of those only what is nearly ours."""
    known = env.asked | {"HEDGEHOG_ENV_FILE", exec_with_parent.GIVEN}
    known |= {f"{name}_FILE" for name in known}
    found: list[CheckMessage] = []
    for name in sorted(GIVEN | FROM_FILE):
        # Also where it is written in small letters, or without what separates its words.
        alike = [each for each in known if _letters(each) == _letters(name)] if name not in known else []
        near = alike or get_close_matches(name, sorted(known), 1, 0.85)
        is_ours = name in FROM_FILE and name.startswith(OUR_PREFIXES)
        if name not in known and (near or is_ours):
            hint = f"Did you mean {near[0]}?" if near else "See .env.example for all settings."
            found.append(Warning(f"unknown setting {name}", hint=hint, id="hedgehog.W005"))
    return found


def _letters(name: str) -> str:
    return name.upper().replace("_", "").replace("-", "")


@register("settings")
def check_keys(**_: Any) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    for venue in Venue:
        given, where = key_settings(venue), endpoints(venue)
        if where.key is None and not given.are_empty:
            hint = f"Set {given.prefix}_API_KEY and one of {given.prefix}_API_SECRET and {given.prefix}_PRIVATE_KEY"
            hint = f"{hint}, or none of the three; append _FILE to a name to read the value from a file."
            found.append(Error(where.why_no_key, hint=hint, id="hedgehog.E007"))
        for name in ("API_KEY", "API_SECRET", "PRIVATE_KEY", "PRIVATE_KEY_PASSWORD"):
            path = os.environ.get(f"{given.prefix}_{name}_FILE")
            if path and Path(path).is_file() and Path(path).stat().st_mode & stat.S_IROTH:
                found.append(
                    Warning(
                        f"{given.prefix}_{name}_FILE {path} can be read by every user of this machine",
                        hint=f"chmod 600 {path}",
                        id="hedgehog.W002",
                    )
                )
    # Processes that are not given the keys know from the one that has them, which looks at this itself.
    has_none = key_settings(Venue.LIVE).are_empty and "HEDGEHOG_KEY_FACTS" not in os.environ
    if settings.HEDGEHOG_ALLOW_LIVE and has_none:
        found.append(
            Warning(
                "HEDGEHOG_ALLOW_LIVE is set, but there is no live key",
                hint="Set BINANCE_API_KEY and BINANCE_API_SECRET, or remove HEDGEHOG_ALLOW_LIVE.",
                id="hedgehog.W001",
            )
        )
    if settings.MOCK_PRIVATE_KEY and not settings.MOCK_PUBLIC_KEY:
        found.append(
            Error(
                "MOCK_PRIVATE_KEY is set without MOCK_PUBLIC_KEY",
                hint="Set MOCK_PUBLIC_KEY_FILE: openssl pkey -in private.pem -pubout -out public.pem.",
                id="hedgehog.E009",
            )
        )
    if settings.MOCK_PUBLIC_KEY and not settings.MOCK_PRIVATE_KEY:
        found.append(
            Warning(
                "MOCK_PUBLIC_KEY is set, but there is no MOCK_PRIVATE_KEY to sign with",
                hint="Other clients can trade on the mock exchange, Hedgehog's traders cannot.",
                id="hedgehog.W004",
            )
        )
    return found


@register("settings")
def check_addresses(**_: Any) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    for venue in (Venue.LIVE, Venue.TESTNET, Venue.DEMO):
        others = []
        for of, (scheme, path) in ADDRESSES.items():
            name = f"{venue.upper()}_{of}_URL"
            address = getattr(settings, name)
            if fault := address_fault(address, scheme, path):
                hint = f"Write it like {name}={scheme}s://host{path} or {scheme}s://host:port{path}."
                found.append(Error(f"{name} {fault}", hint=hint, id="hedgehog.E010"))
            if name in os.environ or f"{name}_FILE" in os.environ:
                others.append(name)
        if others and len(others) < len(ADDRESSES):
            found.append(
                Warning(
                    f"{' and '.join(others)} set, the other addresses of {venue} are Binance's own",
                    hint="Orders, their reports and prices then come from different exchanges: set all three.",
                    id="hedgehog.W003",
                )
            )
    return found


def address_fault(address: str, scheme: str, path: str) -> str:
    """What is wrong with an address, without repeating it, for it may hold a password; empty where nothing is."""
    try:
        parts = urlsplit(address)
        host, _port = parts.hostname, parts.port
    except ValueError:
        return "is not a valid address"
    if parts.scheme not in (scheme, f"{scheme}s"):
        return f"must begin with {scheme}s://"
    if not host or parts.username or parts.password or any(letter.isspace() for letter in address):
        return "must name a host, and no user or password"
    if parts.path.rstrip("/") != path or parts.query or parts.fragment:
        return f"must end in {path} after the host" if path else "must have nothing after the host and its port"
    if parts.scheme == scheme and host not in ("localhost", "127.0.0.1", "::1"):
        return f"must begin with {scheme}s://: the key would be sent unencrypted"
    return ""


@register("redis")
def check_redis_url(**_: Any) -> list[CheckMessage]:
    try:
        redis.ConnectionPool.from_url(settings.REDIS_URL)
    except ValueError:
        # The address may hold a password: neither it nor what is said of it is repeated here.
        hint = "Use redis://:password@host:6379/0, or unset it to use the embedded Redis."
        return [Error("REDIS_URL cannot be read", hint=hint, id="hedgehog.E008")]
    return []

"""System checks of the settings (`manage.py check`): what is misconfigured, and what to write instead."""

import re
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import redis
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register

PORTS = ("WEB_PORT", "FLOWER_PORT", "MOCK_PORT")
SYMBOL = re.compile(r"[A-Z0-9]{2,20}")
MARKET_HINT = (
    "Write MARKET=simulated, MARKET=live or MARKET=replay:FILE@SPEED (a CSV, .gz or .zip; @SPEED is optional)."
)


@register()
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


@register()
def check_market(**_: Any) -> list[CheckMessage]:
    fault = market_fault(settings.MARKET)
    return [Error(f"MARKET={settings.MARKET}: {fault}", hint=MARKET_HINT, id="hedgehog.E003")] if fault else []


def market_fault(market: str) -> str:
    """What is wrong with a MARKET value, in a few words; empty where nothing is."""
    if market in ("simulated", "live", "manual"):
        return ""
    if not market.startswith("replay:"):
        return "no such market"
    name, at, speed = market.removeprefix("replay:").rpartition("@")
    if not at:
        name, speed = speed, "1"
    if not name:
        return "no file is named"
    if not Path(name).is_file():
        return f"there is no file {name}"
    try:
        if not (Decimal(speed).is_finite() and Decimal(speed) > 0):
            return f"the speed {speed} is not above 0"
    except InvalidOperation:
        return f"the speed {speed!r} is not a number"
    return ""


@register()
def check_symbols(**_: Any) -> list[CheckMessage]:
    hint = "Write them like HEDGEHOG_SYMBOLS=ETHUSDT,BTCUSDT."
    symbols = settings.HEDGEHOG_SYMBOLS
    if not symbols:
        return [Error("HEDGEHOG_SYMBOLS names no symbol", hint=hint, id="hedgehog.E004")]
    wrong = [symbol for symbol in symbols if not SYMBOL.fullmatch(symbol)]
    return [Error(f"HEDGEHOG_SYMBOLS: {symbol!r} is not a symbol", hint=hint, id="hedgehog.E004") for symbol in wrong]


@register()
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
        if not (re.fullmatch(r"[A-Z0-9]{1,20}", asset) and re.fullmatch(r"\d{1,10}(\.\d{1,8})?", amount)):
            found.append(
                Error(
                    f"MOCK_BALANCES: {part.strip()!r} is not an asset with its amount",
                    hint="Write them like MOCK_BALANCES=USDT:10000,BNB:1.5 (at most eight decimals).",
                    id="hedgehog.E006",
                )
            )
    return found


@register()
def check_keys(**_: Any) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    for venue in ("BINANCE", "TESTNET", "DEMO", "MOCK"):
        key, secret = getattr(settings, f"{venue}_API_KEY"), getattr(settings, f"{venue}_API_SECRET")
        if bool(key) != bool(secret):
            there, missing = ("KEY", "SECRET") if key else ("SECRET", "KEY")
            found.append(
                Error(
                    f"{venue}_API_{there} is set, {venue}_API_{missing} is not",
                    hint=f"Set both or none; {venue}_API_{missing}_FILE may name a file to read it from.",
                    id="hedgehog.E007",
                )
            )
    if settings.HEDGEHOG_ALLOW_LIVE and not settings.BINANCE_API_KEY:
        found.append(
            Warning(
                "HEDGEHOG_ALLOW_LIVE is set, but there is no live key",
                hint="Set BINANCE_API_KEY and BINANCE_API_SECRET, or take HEDGEHOG_ALLOW_LIVE away.",
                id="hedgehog.W001",
            )
        )
    return found


@register()
def check_redis_url(**_: Any) -> list[CheckMessage]:
    try:
        redis.ConnectionPool.from_url(settings.REDIS_URL)
    except ValueError as error:
        # The address may hold a password: it is not repeated here.
        hint = "Write redis://:password@host:6379/0, or leave it out to use the Redis that comes with Hedgehog."
        return [Error(f"REDIS_URL cannot be read ({error})", hint=hint, id="hedgehog.E008")]
    return []

"""Whether a venue can be traded at: its addresses, our key, the clock, the symbols that are on, the balances.

It only queries: at most it calls order/test, which places nothing.
"""

import json
import socket
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any

import websocket
from django.conf import settings as django_settings

from hedgehog_project.outside import Unreadable, one_line, read_json
from hedgehog_project.venues import Endpoints, Venue, endpoints
from hedgehog_project.venues.keys import Key, hmac_key
from trading.core import guard
from trading.core.events import TradeSeen
from trading.core.filters import SymbolFilters
from trading.core.money import ZERO, plain
from trading.core.orders import Side
from trading.core.strategy import Decision, PlaceBuy, Position, TraderState, Wait
from trading.exchange.errors import ExchangeError, KeyRejected, Refused
from trading.exchange.inspector import Inspector, Reached
from trading.exchange.protocol import RECV_WINDOW_MS
from trading.exchange.rights import MAY_WITHDRAW
from trading.models import Listing, Symbol, Trader, TradingSettings
from trading.models.symbols import TradingStatus
from trading.strategies.registry import UnknownStrategy
from trading.strategies.typed import BadSettings
from trading.symbols.listings import fee_columns, fee_values, listing_values

SOCKET_S = 5.0
# A clock this far off is still accepted, but something is wrong with it.
CLOCK_WARN_MS = 500
MAX_CLOCK_OFFSET_MS = RECV_WINDOW_MS // 3


class Level(StrEnum):
    OK = "ok"
    WARN = "warn"  # Worth knowing.
    FAIL = "FAIL"  # Traders can't trade so.


@dataclass(frozen=True)
class Finding:
    level: Level
    text: str
    advice: str = ""

    def __str__(self) -> str:
        return f"{self.level:<4}  {self.text}" + (f". {self.advice}" if self.advice else "")


def check_up(venue: Venue, is_wanted: bool = True) -> Iterator[Finding]:
    """All findings, as they are made. `is_wanted`: that there is no key is to be fixed, not merely noted."""
    where = endpoints(venue)
    if venue == Venue.LIVE and not django_settings.HEDGEHOG_ALLOW_LIVE:
        yield Finding(Level.WARN, "live trading is disabled", "Set HEDGEHOG_ALLOW_LIVE=1 to enable it")
    # Whoever has no key may still ask what is public.
    inspector = Inspector(where.rest_url, where.key or hmac_key("", ""))
    reached = None
    try:
        reached = inspector.reach()
        yield Finding(Level.OK, f"REST {where.rest_url} answers in {reached.took_ms} ms")
    except ExchangeError as error:
        yield Finding(Level.FAIL, f"REST {where.rest_url}: {error}", "Check the address, the network and firewalls")
    yield from _sockets(venue, where, reached.offset_ms if reached else 0)
    if reached is not None:
        yield from _clock(reached)
        checked = _Checked(venue, where, inspector)
        yield from _key(checked, is_wanted)
        yield from _symbols(checked)
        yield from _money(checked)


@dataclass
class _Checked:
    """What has been learnt on the way."""

    venue: Venue
    where: Endpoints
    inspector: Inspector
    balances: dict[str, tuple[Decimal, Decimal]] | None = None  # None: the key is not good for that
    wanted: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))  # by quote asset
    wanted_by: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))


def _sockets(venue: Venue, where: Endpoints, offset_ms: int) -> Iterator[Finding]:
    begun = time.monotonic()
    try:
        socket = _connected(f"{where.stream_url}/stream")
        yield Finding(Level.OK, f"streams {where.stream_url} connect in {_since_ms(begun)} ms")
        socket.close()
    except (OSError, websocket.WebSocketException) as error:
        yield _no_socket("streams", where.stream_url, error, "No prices are received")
    begun = time.monotonic()
    try:
        socket = _connected(where.ws_api_url)
        yield Finding(Level.OK, f"WebSocket API {where.ws_api_url} connects in {_since_ms(begun)} ms")
        if where.key:
            yield _subscription(socket, where.key, offset_ms)
        socket.close()
    except (OSError, websocket.WebSocketException, ValueError) as error:
        yield _no_socket("WebSocket API", where.ws_api_url, error, "No execution reports are received")


def _connected(url: str) -> "websocket.WebSocket":
    # A redirect is not followed: what is signed would go to somebody else.
    return websocket.create_connection(url, timeout=SOCKET_S, redirect_limit=0)


def _subscription(socket: "websocket.WebSocket", key: Key, offset_ms: int) -> Finding:
    """Raises OSError, WebSocketException, and ValueError for what is no answer."""
    params = key.signed({}, round(time.time() * 1000) + offset_ms)
    socket.send(json.dumps({"id": 1, "method": "userDataStream.subscribe.signature", "params": params}))
    reply = read_json(socket.recv())
    if not isinstance(reply, dict):
        raise Unreadable("the response to a subscription is not an object")
    if reply.get("status") == 200:
        return Finding(Level.OK, "user data stream: subscription works")
    error = reply["error"] if isinstance(reply.get("error"), dict) else {}
    return Finding(
        Level.FAIL,
        f"user data stream rejected: {error.get('msg')} ({error.get('code')})",
        "Check the key, its read permission and its IP whitelist",
    )


def _clock(reached: Reached) -> Iterator[Finding]:
    off = abs(reached.offset_ms)
    direction = "ahead of" if reached.offset_ms < 0 else "behind"
    text = f"clock: {off} ms {direction} the exchange"
    if off > MAX_CLOCK_OFFSET_MS:
        advice = (
            f"Orders are accepted within {RECV_WINDOW_MS} ms only. Set the clock by NTP: timedatectl set-ntp true"
        )
        yield Finding(Level.FAIL, text, advice)
    elif off > CLOCK_WARN_MS:
        yield Finding(Level.WARN, text, "Set it by NTP: timedatectl set-ntp true")
    else:
        yield Finding(Level.OK, text)


def _key(checked: _Checked, is_wanted: bool) -> Iterator[Finding]:
    where = checked.where
    if where.key is None:
        yield Finding(Level.FAIL if is_wanted else Level.WARN, where.why_no_key)
        return
    try:
        if checked.venue == Venue.LIVE:
            rights = list(_rights(checked))
            yield from rights
            if any(finding.level == Level.FAIL for finding in rights):
                return
        account = checked.inspector.account()
    except KeyRejected as error:
        yield Finding(Level.FAIL, f"the {where.key.kind} key: {error}", "Check the key and its IP whitelist")
        return
    except ExchangeError as error:
        yield Finding(Level.FAIL, f"account not readable: {error}", "Try again")
        return
    checked.balances = account.balances
    if not account.can_trade:
        yield Finding(Level.FAIL, "trading is disabled for the account", "Contact Binance: canTrade=false")
        return
    permissions = f" ({', '.join(account.permissions)})" if account.permissions else ""
    yield Finding(Level.OK, f"{where.key.kind} key works; the account can trade{permissions}")


def _rights(checked: _Checked) -> Iterator[Finding]:
    """Of a live key. Raises the exchange's errors."""
    rights = checked.inspector.key_rights()
    is_meant = django_settings.HEDGEHOG_ALLOW_WITHDRAW_KEY
    if rights is None:
        yield Finding(
            Level.WARN if is_meant else Level.FAIL,
            "the exchange does not report the key's permissions",
            "" if is_meant else "Make sure withdrawals are disabled, then set HEDGEHOG_ALLOW_WITHDRAW_KEY=1",
        )
        return
    if rights.may_withdraw:
        yield (
            Finding(Level.WARN, "the live key can withdraw (allowed by setting)")
            if is_meant
            else Finding(Level.FAIL, MAY_WITHDRAW)
        )
    else:
        yield Finding(Level.OK, "the live key cannot withdraw")
    if not rights.may_trade:
        yield Finding(Level.FAIL, "the live key cannot trade", "Enable Spot & Margin Trading for it at Binance")
    if not rights.is_ip_restricted:
        advice = "Restrict it to this machine's IP at Binance; a leaked key is then useless"
        yield Finding(Level.WARN, "the live key has no IP whitelist", advice)
    if rights.may_transfer:
        yield Finding(
            Level.WARN,
            "the live key can transfer between your accounts",
            "Disable this permission; it is not needed",
        )


def _symbols(checked: _Checked) -> Iterator[Finding]:
    on = Symbol.objects.filter(settings__status=TradingStatus.ON).select_related("settings").order_by("name")
    if not on:
        yield Finding(Level.WARN, "trading is off for all symbols", "Turn one on: manage.py trade ETHUSDT on")
    for symbol in on:
        yield _symbol(checked, symbol)


def _symbol(checked: _Checked, symbol: Symbol) -> Finding:
    settings, inspector = symbol.settings, checked.inspector
    try:
        listed = inspector.listed(symbol.name)
        price = inspector.price(symbol.name)
    except Refused as error:
        return Finding(Level.FAIL, f"{symbol}: {error}", "Turn trading off, or check the spelling")
    except ExchangeError as error:
        return Finding(Level.FAIL, f"{symbol}: no answer: {error}", "Try again")
    symbol.base_asset, symbol.quote_asset = listed.base_asset, listed.quote_asset
    listing = Listing(symbol=symbol, venue=checked.venue, **listing_values(listed), **_fees(checked, symbol))
    _want(checked, symbol)
    if problem := settings.why_not(listing):
        return Finding(Level.FAIL, problem)
    # What a trader would do first, were this the next trade.
    first = _first_step(settings, TradeSeen(symbol.name, 0, price, 0), listing.symbol_filters())
    if isinstance(first, Wait):
        return Finding(
            Level.FAIL, f"{symbol} at {plain(price)}: {first.reason}", "Change the budget or the number of slots"
        )
    filters = (
        f"tick {plain(listed.tick_size)}, step {plain(listed.step_size)}, min notional {plain(listed.min_notional)}"
    )
    text = f"{symbol} at {plain(price)}: {listed.status}, {filters}"
    if checked.balances is None or not isinstance(first, PlaceBuy):
        return Finding(Level.OK, text)
    order = f"buying {plain(first.quantity)} at {plain(first.price)}"
    try:
        inspector.would_take(symbol.name, Side.BUY, first.price, first.quantity)
    except KeyRejected as error:
        return Finding(Level.FAIL, f"{symbol}: {error}", "Enable spot trading for the key")
    except ExchangeError as error:
        return Finding(Level.FAIL, f"{symbol}: {order} would be rejected: {error}")
    return Finding(Level.OK, f"{text}; {order} would be accepted")


def _fees(checked: _Checked, symbol: Symbol) -> dict[str, Any]:
    """Those columns of a listing, as they are known, or else as the account is told now."""
    known = Listing.objects.filter(symbol=symbol, venue=checked.venue, fee_asked_at__isnull=False).first()
    if known is not None:
        return fee_columns(known.fees)
    return {} if checked.balances is None else fee_values(symbol.name, checked.venue, checked.inspector)


def _first_step(settings: TradingSettings, trade: TradeSeen, filters: SymbolFilters) -> Decision:
    try:
        strategy, values = settings.by()
    except (UnknownStrategy, BadSettings) as error:
        return Wait(str(error))
    return guard.decide(strategy, Position(budget=settings.share), trade, filters, values)


def _want(checked: _Checked, symbol: Symbol) -> None:
    """What the slots without a bought or ordered share still need."""
    live = Trader.objects.filter(symbol=symbol, venue=checked.venue, finished_at__isnull=True)
    spent = sum(live.exclude(state=TraderState.WAITING).values_list("budget", flat=True), ZERO)
    checked.wanted[symbol.quote_asset] += max(ZERO, symbol.settings.budget - spent)
    checked.wanted_by[symbol.quote_asset].append(symbol.name)


def _money(checked: _Checked) -> Iterator[Finding]:
    if checked.balances is None:
        return
    for asset, wanted in sorted(checked.wanted.items()):
        free, _locked = checked.balances.get(asset, (ZERO, ZERO))
        text = f"{plain(free)} {asset} free, {plain(wanted)} still needed for {', '.join(checked.wanted_by[asset])}"
        if free < wanted:
            yield Finding(Level.FAIL, text, f"Lower the budgets or add {plain(wanted - free)} {asset}")
        else:
            yield Finding(Level.OK, text)


def _no_socket(what: str, url: str, error: Exception, meaning: str) -> Finding:
    is_unknown = isinstance(error, socket.gaierror | websocket.WebSocketAddressException)
    text = f"{what} {url}: {'host name not found (DNS)' if is_unknown else one_line(error)[:200]}"
    return Finding(Level.FAIL, text, f"{meaning}: check the address, the network and firewalls")


def _since_ms(begun: float) -> int:
    return round((time.monotonic() - begun) * 1000)

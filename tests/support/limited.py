"""Protections that are set, and what they look at, for tests."""

import time
from datetime import timedelta
from decimal import Decimal as D

import redis
from django.db import transaction
from django.utils import timezone

from hedgehog_project.venues import Venue, default_market
from streamer.topics import TradeEvent, encode_trade, trade_topic
from tests.support.rows import make_cycle
from trading.core.denials import Denial
from trading.core.orders import Side
from trading.models import AccountProtections, Symbol, SymbolProtections, Trader
from trading.risk import balances, protections

# What a trader with 200 USDT buys at 0.1 % under 3000.
PRICE, QUANTITY, COST = D(2997), D("0.0667"), D("199.8999")


def limit(symbol: Symbol, **values: object) -> SymbolProtections:
    row, _ = SymbolProtections.objects.update_or_create(symbol=symbol, defaults=values)
    protections.has_changed(symbol_ids=[symbol.pk])
    return row


def limit_account(venue: Venue | str = Venue.MOCK, /, **values: object) -> AccountProtections:
    row, _ = AccountProtections.objects.update_or_create(venue=venue, defaults=values)
    protections.has_changed(venue=venue)
    return row


def ask(trader: Trader, side: Side = Side.BUY, price: D = PRICE, quantity: D = QUANTITY) -> Denial | None:
    with transaction.atomic():
        return protections.denial(Trader.objects.select_related("symbol").get(pk=trader.pk), side, price, quantity)


def see_trade(client: "redis.Redis", name: str = "ETHUSDT", age_s: float = 0) -> None:
    ms = round((time.time() - age_s) * 1000)
    event = TradeEvent(name, 7, "3000", "1", ms, ms, True)
    client.xadd(trade_topic(default_market(), name), {"t": encode_trade(event)}, id="7-0")


def lose(symbol: Symbol, *profits: str, ago: timedelta = timedelta()) -> None:
    for n, profit in enumerate(profits):
        make_cycle(symbol, profit, timezone.now() - ago - timedelta(milliseconds=len(profits) - n))


def keep_balances(usdt: str = "1000", bnb: str = "1", age: timedelta = timedelta()) -> None:
    told = {"USDT": (D(usdt), D(0)), "BNB": (D(bnb), D(0))}
    balances.keep(Venue.MOCK, told, timezone.now() - age)

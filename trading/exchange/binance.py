"""An account at an address that speaks Binance's REST protocol: what traders ask, within the shared budget."""

import math
import random
import time
from collections.abc import Callable, Collection, Mapping
from decimal import Decimal
from functools import partial
from typing import Any, TypeVar

import requests
from urllib3.exceptions import HTTPError

from hedgehog_project.venues.codes import CLOCK_IS_OFF
from hedgehog_project.venues.keys import Key
from hedgehog_project.venues.rate_limits import ORDERS_1D, ORDERS_10S, OverRateLimit, rate_limits_at
from trading.core.fees import Fees
from trading.core.money import plain
from trading.core.orders import Fill, OrderReport, OrderType, Side
from trading.exchange.clock import clock_at
from trading.exchange.codes import from_api, from_code, from_transport
from trading.exchange.errors import (
    ExchangeError,
    HalfDone,
    NotSent,
    OutcomeUnknown,
    Refused,
    Scope,
    Throttled,
)
from trading.exchange.protocol import ListedSymbol, NewOrder, Replacement
from trading.exchange.python_binance import BinanceAPIException, BinanceRequestException
from trading.exchange.replies import (
    from_account,
    from_commission,
    from_exchange_info,
    from_my_trade,
    from_order_reply,
    rows_of,
)
from trading.exchange.rights import KeyRights, from_restrictions
from trading.exchange.transport import Rest

Parsed = TypeVar("Parsed")

# Max rows of one answer (trade history, account-endpoints.md).
PAGE = 1000
CONNECT_TIMEOUT_S, READ_TIMEOUT_S = 3.0, 7.0
# A question is asked up to three times, with these waits between, and not begun anew after this time. Each answer is
# waited for less long than that of an order: nothing hangs on it.
PAUSES_S = (0.2, 0.8)
PATIENCE_S, ANSWER_TIMEOUT_S = 5.0, 3.0
# Told to wait longer, a worker does not: its caller is told.
MAX_WAIT_S = 1.0


class BinanceExchange:
    """An account at a venue that speaks Binance's REST protocol. For one thread: see `exchange_at`.

    Questions are retried in here. Placing and cancelling are not: of the first nobody knows whether it was done, and
    the second, done already, would be answered with "unknown order".
    """

    def __init__(self, rest_url: str, key: Key, headers: Mapping[str, str] | None = None) -> None:
        self._rest = Rest(rest_url, key, headers)
        self._rate_limits = rate_limits_at(rest_url, key.api_key)
        self._clock = clock_at(rest_url)

    def place(self, order: NewOrder) -> OrderReport:
        return self._parsed(from_order_reply, self._place(self._rest.create_order, order))

    def replace(self, order: NewOrder, replaces: str) -> Replacement:
        try:
            reply = self._place(self._rest.cancel_replace_order, order, **replacing(replaces))
        except HalfDone as error:
            return self._parsed(partial(_half_done, error), error.data)
        return self._parsed(_replaced, reply)

    def _place(self, function: Callable[..., Any], order: NewOrder, **more: str) -> Any:
        """Sends an order once: never again, whatever the answer."""
        self._rest.not_after_ms, self._rest.not_after = order.not_after_ms, order.not_after
        try:
            return self._call(
                function,
                weight=1,
                is_exit=order.side == Side.SELL,
                places_order=True,
                symbol=order.symbol,
                side=order.side.value,
                **terms(order),
                # Strings: python-binance would send a float as 1e-05.
                quantity=plain(order.quantity),
                newClientOrderId=order.client_order_id,
                newOrderRespType="FULL",
                **more,
            )
        finally:
            self._rest.not_after_ms, self._rest.not_after = None, math.inf

    def cancel(self, symbol: str, client_order_id: str) -> OrderReport:
        reply = self._call(
            self._rest.cancel_order, weight=1, is_exit=True, symbol=symbol, origClientOrderId=client_order_id
        )
        return self._parsed(from_order_reply, reply)

    def order(self, symbol: str, client_order_id: str) -> OrderReport:
        return self._ask(
            from_order_reply, "order", weight=4, is_exit=True, symbol=symbol, origClientOrderId=client_order_id
        )

    def open_orders(self, symbol: str = "") -> list[OrderReport]:
        if symbol:
            return self._ask(_orders, "openOrders", weight=6, is_exit=True, symbol=symbol)
        return self._ask(_orders, "openOrders", weight=80, is_exit=True)

    def fills(self, symbol: str, exchange_order_id: int) -> tuple[Fill, ...]:
        found = self._ask(
            _trades, "myTrades", weight=5, is_exit=True, symbol=symbol, orderId=exchange_order_id, limit=PAGE
        )
        return tuple(fill for _, fill in found)

    def trades(self, symbol: str, from_id: int = 0) -> list[tuple[int, Fill]]:
        found: list[tuple[int, Fill]] = []
        while True:
            page = self._ask(_trades, "myTrades", weight=20, is_exit=True, symbol=symbol, fromId=from_id, limit=PAGE)
            found += page
            if len(page) < PAGE:
                return found
            from_id = found[-1][1].trade_id + 1

    def orders(self, symbol: str, from_id: int | None = 1) -> list[OrderReport]:
        if from_id is None:
            return self._ask(_orders, "allOrders", weight=20, is_exit=True, symbol=symbol, limit=PAGE)
        found: list[OrderReport] = []
        while True:
            page = self._ask(_orders, "allOrders", weight=20, symbol=symbol, orderId=from_id, limit=PAGE)
            found += page
            if len(page) < PAGE:
                return found
            from_id = found[-1].exchange_order_id + 1

    def balances(self) -> dict[str, tuple[Decimal, Decimal]]:
        return self._ask(from_account, "account", weight=20, is_exit=True)

    def listed(self, symbol: str) -> ListedSymbol:
        def parse(reply: Any) -> ListedSymbol:
            self._rate_limits.learn(rows_of(reply.get("rateLimits", [])))
            return from_exchange_info(reply["symbols"][0])

        return self._ask(parse, "exchangeInfo", weight=20, signed=False, symbol=symbol)

    def all_listed(self) -> list[ListedSymbol]:
        def parse(reply: Any) -> list[ListedSymbol]:
            self._rate_limits.learn(rows_of(reply.get("rateLimits", [])))
            found = [from_exchange_info(entry) for entry in rows_of(reply["symbols"])]
            if not found:
                raise ValueError("an exchange without symbols")
            return found

        # Without the sets of permissions, which make two thirds of a reply of megabytes.
        return self._ask(parse, "exchangeInfo", weight=20, signed=False, showPermissionSets="false")

    def price(self, symbol: str) -> Decimal:
        return self._ask(_price, "ticker/price", weight=2, signed=False, symbol=symbol)

    def prices(self, symbols: Collection[str], is_exit: bool = True) -> dict[str, Decimal]:
        def parse(reply: Any) -> dict[str, Decimal]:
            return {row["symbol"]: Decimal(row["price"]) for row in rows_of(reply) if row["symbol"] in symbols}

        # Of all symbols: where several are named, one that is not listed any more fails the answer for the others.
        return self._ask(parse, "ticker/price", weight=4, is_exit=is_exit, signed=False)

    def fees(self, symbol: str) -> Fees:
        return self._ask(from_commission, "account/commission", weight=20, symbol=symbol)

    def key_rights(self) -> KeyRights | None:
        """What the key may do; None where the exchange has no answer to that, as most have not but Binance itself."""
        try:
            return self._ask(from_restrictions, "account/apiRestrictions", weight=1, is_exit=True, family="sapi")
        except (OutcomeUnknown, Refused):
            if self._rest.response is not None and self._rest.response.status_code == 404:
                return None
            raise

    def _ask(
        self,
        parse: Callable[[Any], Parsed],
        path: str,
        *,
        weight: int,
        is_exit: bool = False,
        signed: bool = True,
        family: str = "api",
        **params: Any,
    ) -> Parsed:
        """The answer to a GET, asked again where none came. `is_exit`: it may use what is kept for exits."""

        def get(**params: Any) -> Any:
            if family == "sapi":
                return self._rest._request_margin_api("get", path, signed, data=params)
            return self._rest._get(path, signed, data=params)

        give_up_at = time.monotonic() + PATIENCE_S
        for pause_s in (*PAUSES_S, None):
            left_s = max(1.0, give_up_at - time.monotonic())
            try:
                reply = self._call(
                    get, weight=weight, is_exit=is_exit, timeout_s=min(ANSWER_TIMEOUT_S, left_s), **params
                )
                return self._parsed(parse, reply)
            except (OutcomeUnknown, NotSent, Throttled) as error:
                if pause_s is None:
                    raise
                wait_s = pause_s * random.uniform(0.5, 1.5)
                if isinstance(error, Throttled):
                    if error.wait_s > MAX_WAIT_S:
                        raise
                    wait_s += error.wait_s
                if time.monotonic() + wait_s > give_up_at:
                    raise
            time.sleep(wait_s)
        raise AssertionError("the last try returns or raises")

    def _call(self, function: Callable[..., Any], **options: Any) -> Any:
        """Sends a request. One that was refused for its timestamp is sent once more with the exchange's clock, but an
        order: it was decided on too long ago, and another host may have placed another one meanwhile.
        """
        offset_ms = self._clock.offset_ms
        try:
            return self._send(function, **options)
        except Refused as error:
            if error.code != CLOCK_IS_OFF:
                raise
            try:
                self._clock.correct(offset_ms, self._server_ms)
            except (OutcomeUnknown, NotSent):
                # The exchange's time is not to be had; but of what was asked for nothing came, that is certain.
                raise error from None
            if options.get("places_order"):
                raise NotSent(f"Not sent, decided again by the exchange's current clock: {error}") from None
        return self._send(function, **options)

    def _server_ms(self) -> int:
        return self._parsed(
            lambda reply: int(reply["serverTime"]), self._send(self._rest.get_server_time, weight=1, is_exit=True)
        )

    def _send(
        self,
        function: Callable[..., Any],
        *,
        weight: int,
        is_exit: bool,
        places_order: bool = False,
        timeout_s: float | None = None,
        **params: Any,
    ) -> Any:
        """Calls python-binance once, within the budget. Its errors and those of the transport become ours."""
        try:
            reservation = self._rate_limits.reserve(weight, is_exit, places_order)
        except OverRateLimit as over:
            raise Throttled(over.reason, over.wait_s) from None
        # What it has cost where the answer does not tell.
        cost, orders = weight, int(places_order)
        self._rest.response = None
        self._rest.timestamp_offset = self._clock.offset_ms
        timeout_s = timeout_s or READ_TIMEOUT_S
        self._rest.REQUEST_TIMEOUT = (min(CONNECT_TIMEOUT_S, timeout_s), timeout_s)
        try:
            return self._translated(function, params)
        except NotSent:
            cost, orders = 0, 0
            raise
        except (OutcomeUnknown, HalfDone):
            # An order that was not even tried counts as well ("Cancel an Existing Order and Send a New Order").
            raise
        except ExchangeError as error:
            orders = 0
            if isinstance(error, Throttled):
                self._tell_others(error, is_exit)
            raise
        finally:
            response = self._rest.response
            self._rate_limits.settle(reservation, {} if response is None else response.headers, cost, orders)

    @staticmethod
    def _translated(function: Callable[..., Any], params: dict[str, Any]) -> Any:
        try:
            return function(**params)
        except BinanceAPIException as error:
            raise from_api(error) from error
        except (requests.RequestException, BinanceRequestException, HTTPError) as error:
            raise from_transport(error) from error

    def _tell_others(self, error: Throttled, is_exit: bool) -> None:
        match error.scope:
            case Scope.ADDRESS:
                self._rate_limits.stop_for(error.wait_s, str(error))
            case Scope.ORDERS_10S:
                self._rate_limits.orders_are_full(ORDERS_10S, is_exit)
            case Scope.ORDERS_1D:
                self._rate_limits.orders_are_full(ORDERS_1D, is_exit)

    @staticmethod
    def _parsed(parse: Callable[[Any], Parsed], reply: Any) -> Parsed:
        try:
            return parse(reply)
        except (KeyError, IndexError, AttributeError, TypeError, ValueError, ArithmeticError) as error:
            # For an order that was placed this says nothing of its outcome; for a question it is no answer.
            raise OutcomeUnknown(f"Unexpected response from the exchange: {reply!r:.200}") from error


def terms(order: NewOrder) -> dict[str, str]:
    """At what price an order trades, in a request's parameters."""
    if order.type == OrderType.MARKET:
        return {"type": "MARKET"}
    time_in_force = "IOC" if order.type == OrderType.IOC else "GTC"
    return {"type": "LIMIT", "timeInForce": time_in_force, "price": plain(order.price)}


def replacing(client_order_id: str) -> dict[str, str]:
    """What a request says of the order that is to be cancelled for another, where that is possible as a whole."""
    return {
        "cancelReplaceMode": "STOP_ON_FAILURE",
        "cancelOrigClientOrderId": client_order_id,
        # What has traded in part leaves less to sell than the new order asks for.
        "cancelRestrictions": "ONLY_NEW",
    }


def _replaced(reply: Any) -> Replacement:
    """The answer where both were done (trading-endpoints.md, "Cancel an Existing Order and Send a New Order")."""
    return Replacement(from_order_reply(reply["cancelResponse"]), from_order_reply(reply["newOrderResponse"]))


def _half_done(error: HalfDone, data: Any) -> Replacement:
    """The answer to a request of which a part or nothing was done (-2021, -2022)."""
    cancelled = from_order_reply(data["cancelResponse"]) if data["cancelResult"] == "SUCCESS" else None
    if data["newOrderResult"] == "SUCCESS":
        raise ValueError("placed without cancelling")  # STOP_ON_FAILURE rules that out.
    refused = data["newOrderResponse"] or data["cancelResponse"]
    return Replacement(cancelled, None, from_code(int(refused["code"]), str(refused["msg"])))


def _price(reply: Any) -> Decimal:
    price = Decimal(reply["price"])
    if not price.is_finite():
        raise ValueError(f"{price} is no price")
    return price


def _orders(reply: Any) -> list[OrderReport]:
    return [from_order_reply(row) for row in rows_of(reply)]


def _trades(reply: Any) -> list[tuple[int, Fill]]:
    """Each with its order's id."""
    return [(int(row["orderId"]), from_my_trade(row)) for row in rows_of(reply)]

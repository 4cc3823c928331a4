"""The client of a venue, mock or real: python-binance for REST, with its traps closed."""

import threading
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any, TypeVar

import requests
from binance.client import Client
from binance.exceptions import BinanceAPIException, BinanceRequestException

from hedgehog_project.keys import Key, KeyKind
from hedgehog_project.venues import Venue, place
from trading.core.money import plain
from trading.core.orders import Fill, OrderReport
from trading.exchange.codes import CLOCK_IS_OFF, from_api, from_transport
from trading.exchange.errors import KeyRejected, NotSent, OutcomeUnknown
from trading.exchange.protocol import RECV_WINDOW_MS, Exchange, Listed, NewOrder
from trading.exchange.replies import from_account, from_exchange_info, from_my_trade, from_order_reply, rows_of

Parsed = TypeVar("Parsed")

# The most rows of one answer (trade history, account-endpoints.md).
PAGE = 1000
_V3 = Client.PRIVATE_API_VERSION
CONNECT_TIMEOUT_S, READ_TIMEOUT_S = 3.0, 7.0


class _Rest(Client):
    """python-binance at one venue's address. Not for several threads at once."""

    REQUEST_TIMEOUT = (CONNECT_TIMEOUT_S, READ_TIMEOUT_S)
    # A recvWindow among the parameters would be overwritten by this.
    REQUEST_RECVWINDOW = RECV_WINDOW_MS

    not_after_ms: int | None = None

    def __init__(self, rest_url: str, key: Key) -> None:
        self.API_URL = f"{rest_url}/api"
        self.MARGIN_API_URL = f"{rest_url}/sapi"
        self._key = key
        # ping=False: the constructor would call the exchange.
        super().__init__(key.api_key, ping=False)
        # Where this is set, python-binance does not percent-encode a signature that is encoded already.
        self.PRIVATE_KEY = None if key.kind == KeyKind.HMAC else key

    def _hmac_signature(self, query_string: str) -> str:
        return self._key.sign(query_string)

    # Its own can't open an encrypted Ed25519 key, and take every PEM of over 120 characters for RSA.
    _ed25519_signature = _rsa_signature = _hmac_signature

    def _generate_signature(self, data: dict[str, Any], uri_encode: bool = True) -> str:
        """Signs; refuses to sign an order too late.

        The exchange accepts a request until its timestamp plus recvWindow. A process that was paused between saving
        an order and signing it would else send it after the leader proved that it was never placed.
        """
        if self.not_after_ms is not None and data["timestamp"] - self.timestamp_offset > self.not_after_ms:
            raise NotSent("The order was too late to be sent: this process was held up")
        return str(super()._generate_signature(data, uri_encode))

    @staticmethod
    def _handle_response(response: requests.Response) -> Any:
        """As python-binance does, which fails on an error whose body is JSON but no object: that is no answer."""
        try:
            return Client._handle_response(response)
        except AttributeError as error:
            raise BinanceRequestException(f"HTTP {response.status_code}: {response.text:.200}") from error


class BinanceExchange:
    """An account at a venue that speaks Binance's REST protocol. For one thread: see `exchange_at`."""

    def __init__(self, rest_url: str, key: Key) -> None:
        self._rest = _Rest(rest_url, key)

    def place(self, order: NewOrder) -> OrderReport:
        self._rest.not_after_ms = order.not_after_ms
        try:
            reply = self._call(
                self._rest.create_order,
                symbol=order.symbol,
                side=order.side.value,
                type="LIMIT",
                timeInForce="GTC",
                # Strings: python-binance would send a float as 1e-05.
                price=plain(order.price),
                quantity=plain(order.quantity),
                newClientOrderId=order.client_order_id,
                newOrderRespType="FULL",
            )
        finally:
            self._rest.not_after_ms = None
        return self._parsed(from_order_reply, reply)

    def cancel(self, symbol: str, client_order_id: str) -> OrderReport:
        reply = self._call(self._rest.cancel_order, symbol=symbol, origClientOrderId=client_order_id)
        return self._parsed(from_order_reply, reply)

    def order(self, symbol: str, client_order_id: str) -> OrderReport:
        reply = self._call(self._rest.get_order, symbol=symbol, origClientOrderId=client_order_id)
        return self._parsed(from_order_reply, reply)

    def open_orders(self) -> list[OrderReport]:
        reply = self._call(self._rest.get_open_orders)
        return self._parsed(lambda reply: [from_order_reply(row) for row in rows_of(reply)], reply)

    def fills(self, symbol: str, exchange_order_id: int) -> tuple[Fill, ...]:
        reply = self._call(self._rest.get_my_trades, symbol=symbol, orderId=exchange_order_id, limit=PAGE)
        return self._parsed(lambda reply: tuple(from_my_trade(row) for row in rows_of(reply)), reply)

    def trades(self, symbol: str, from_id: int = 0) -> list[tuple[int, Fill]]:
        found: list[tuple[int, Fill]] = []
        while True:
            reply = self._call(self._rest.get_my_trades, symbol=symbol, fromId=from_id, limit=PAGE)
            page = self._parsed(
                lambda reply: [(int(row["orderId"]), from_my_trade(row)) for row in rows_of(reply)], reply
            )
            found += page
            if len(page) < PAGE:
                return found
            from_id = found[-1][1].trade_id + 1

    def orders(self, symbol: str, from_id: int = 1) -> list[OrderReport]:
        found: list[OrderReport] = []
        while True:
            reply = self._call(self._rest.get_all_orders, symbol=symbol, orderId=from_id, limit=PAGE)
            page = self._parsed(lambda reply: [from_order_reply(row) for row in rows_of(reply)], reply)
            found += page
            if len(page) < PAGE:
                return found
            from_id = found[-1].exchange_order_id + 1

    def balances(self) -> dict[str, tuple[Decimal, Decimal]]:
        return self._parsed(from_account, self._call(self._rest.get_account))

    def listed(self, symbol: str) -> Listed:
        info = self._call(self._rest._get, "exchangeInfo", version=_V3, data={"symbol": symbol})
        return self._parsed(lambda reply: from_exchange_info(reply["symbols"][0]), info)

    def price(self, symbol: str) -> Decimal:
        reply = self._call(self._rest._get, "ticker/price", version=_V3, data={"symbol": symbol})
        return self._parsed(lambda reply: Decimal(reply["price"]), reply)

    def maker_fee(self, symbol: str) -> Decimal:
        reply = self._call(self._rest._get, "account/commission", True, version=_V3, data={"symbol": symbol})
        return self._parsed(lambda body: Decimal(body["standardCommission"]["maker"]), reply)

    def _call(self, function: Callable[..., Any], *args: Any, **params: Any) -> Any:
        """Calls python-binance; its errors and those of the transport become ours."""
        try:
            try:
                return function(*args, **params)
            except BinanceAPIException as error:
                if error.code != CLOCK_IS_OFF:
                    raise
                # Refused for its timestamp, so it was not carried out: once more with the exchange's clock.
                self._sync_clock()
                return function(*args, **params)
        except BinanceAPIException as error:
            raise from_api(error) from error
        except (requests.RequestException, BinanceRequestException) as error:
            raise from_transport(error) from error

    def _sync_clock(self) -> None:
        before = time.time()
        server_ms = self._parsed(lambda reply: int(reply["serverTime"]), self._rest.get_server_time())
        self._rest.timestamp_offset = server_ms - round((before + time.time()) / 2 * 1000)

    @staticmethod
    def _parsed(parse: Callable[[Any], Parsed], reply: Any) -> Parsed:
        try:
            return parse(reply)
        except (KeyError, IndexError, AttributeError, TypeError, ValueError, ArithmeticError) as error:
            # For an order that was placed this says nothing of its outcome; for a question it is no answer.
            raise OutcomeUnknown(f"The exchange's answer does not fit its documents: {reply!r:.200}") from error


_of_thread = threading.local()


def exchange_at(venue: Venue) -> Exchange:
    """This thread's client of a venue; it keeps its connection. Raises KeyRejected where there is no key for it."""
    clients: dict[Venue, BinanceExchange] = _of_thread.__dict__.setdefault("clients", {})
    if venue not in clients:
        where = place(venue)
        if where.key is None:
            raise KeyRejected(where.why_no_key)
        clients[venue] = BinanceExchange(where.rest_url, where.key)
    return clients[venue]

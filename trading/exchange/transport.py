"""python-binance at one venue's address, with its traps closed, and connections that prove when nothing was sent."""

import http.client
import json
import math
import time
from collections.abc import Mapping
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPSConnection
from urllib3.exceptions import NewConnectionError

from hedgehog_project.outside import Unreadable, read_json, storable
from hedgehog_project.venues.keys import Key, KeyKind
from trading.exchange.errors import NotSent
from trading.exchange.protocol import RECV_WINDOW_MS
from trading.exchange.python_binance import BinanceAPIException, BinanceRequestException, Client

# How much of an answer that can't be read is told.
SHOWN_BYTES = 500


class Rest(Client):
    """python-binance at one venue's address. Not for several threads at once."""

    # A recvWindow among the parameters would be overwritten by this.
    REQUEST_RECVWINDOW = RECV_WINDOW_MS

    # Of the order that is about to be sent: see NewOrder.
    not_after_ms: int | None = None
    not_after: float = math.inf
    response: requests.Response | None = None  # the last one

    def __init__(self, rest_url: str, key: Key, headers: Mapping[str, str] | None = None) -> None:
        self.API_URL = f"{rest_url}/api"
        self.MARGIN_API_URL = f"{rest_url}/sapi"
        self._key = key
        # ping=False: the constructor would call the exchange. A redirect is not followed: it would carry the key and
        # the signed order to somebody else, or make a GET of a placing.
        super().__init__(key.api_key, ping=False, requests_params={"allow_redirects": False})
        # Where this is set, python-binance does not percent-encode a signature that is encoded already.
        self.PRIVATE_KEY = None if key.kind == KeyKind.HMAC else key
        self.session.mount("https://", _Adapter())
        self.session.headers.update(headers or {})

    def _hmac_signature(self, query_string: str) -> str:
        return self._key.sign(query_string)

    # Its own can't open an encrypted Ed25519 key, and take every PEM of over 120 characters for RSA.
    _ed25519_signature = _rsa_signature = _hmac_signature

    def _generate_signature(self, data: dict[str, Any], uri_encode: bool = True) -> str:
        """Signs; refuses to sign an order too late.

        The exchange accepts a request until its timestamp plus recvWindow. A process that was paused between saving
        an order and signing it would else send it after the leader proved that it was never placed. Two clocks say
        how late it is: one tells it to other machines, the other can't be set.
        """
        is_late = self.not_after_ms is not None and data["timestamp"] - self.timestamp_offset > self.not_after_ms
        if is_late or time.monotonic() > self.not_after:
            raise NotSent("The order was not sent: this process was delayed too long")
        return str(super()._generate_signature(data, uri_encode))

    @staticmethod
    def _handle_response(response: requests.Response) -> Any:
        """As python-binance does, which stumbles over bodies that are no answer: what can't be read is none."""
        is_error = not 200 <= response.status_code < 300
        shown = storable(response.content[:SHOWN_BYTES].decode(errors="replace"))
        try:
            answer = read_json(response.content) if response.content else {}
        except Unreadable as unreadable:
            if not is_error:
                raise BinanceRequestException(f"Invalid Response: {shown}") from unreadable
            answer = None
        if is_error:
            # What is no object is the page of something in between: the status says it all.
            said = answer if isinstance(answer, dict) else {"msg": shown}
            raise BinanceAPIException(response, response.status_code, json.dumps(said))
        return answer


class _Connection(HTTPSConnection):
    """Tells a failed handshake from a failed request: urllib3 gives both the same errors."""

    def connect(self) -> None:
        try:
            super().connect()
        except (OSError, http.client.HTTPException) as error:
            # The request is written once the connection stands.
            raise NewConnectionError(self, f"{type(error).__name__}: {error}") from error


class _Pool(HTTPSConnectionPool):
    ConnectionCls = _Connection


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": HTTPConnectionPool, "https": _Pool}

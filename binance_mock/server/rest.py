"""REST: unwraps the request, checks who asks, and wraps the answer or the refusal."""

from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from aiohttp import web

from binance_mock.engine.errors import Refused
from binance_mock.protocol.operations import REST, SAPI, Operation, perform
from binance_mock.protocol.params import Params
from binance_mock.protocol.time_units import answer as in_microseconds
from binance_mock.protocol.time_units import is_micro
from binance_mock.server.faults.http import answered
from binance_mock.server.faults.requests import Asked, FaultyRequests
from binance_mock.state.context import Context
from binance_mock.state.security import check_time, signed_payload
from binance_mock.state.store import StoreFailed

# What Binance has no more; its web server answers.
_GONE = {"userDataStream"}
_GONE_PAGE = "\n".join(
    (
        "<html>",
        "<head><title>410 Gone</title></head>",
        "<body>",
        "<center><h1>410 Gone</h1></center>",
        "<hr><center>nginx</center>",
        "</body>",
        "</html>",
        "",
    )
)
TABLES = {"/api/v3/": REST, "/sapi/v1/": SAPI}
_encode = msgspec.json.Encoder().encode


def routes(context: Context, faulty: FaultyRequests) -> list[web.RouteDef]:
    async def handle(table: dict[tuple[str, str], Operation], request: web.Request) -> web.StreamResponse:
        path = request.match_info["path"]
        operation = table.get((request.method, path))
        if operation is None and path in _GONE:
            return web.Response(text=_GONE_PAGE, status=410, content_type="text/html")
        if operation is None:
            return _response({"timestamp": context.now_ms(), "status": 404, "error": "Not Found"}, 404, {})
        body = (await request.read()).decode(errors="replace") if request.body_exists else ""
        values = dict([*parse_qsl(body), *parse_qsl(request.raw_path.partition("?")[2])])
        asked = Asked(
            f"{request.method} {path}", values, partial(_answer, context, operation, request, body), _edited
        )
        return await answered(request, faulty.serve(asked))

    return [web.route("*", prefix + "{path:.+}", partial(handle, table)) for prefix, table in TABLES.items()]


def _answer(context: Context, operation: Operation, request: web.Request, body: str) -> web.Response:
    now_ms = context.now_ms()
    retry: dict[str, str] = {}
    status, succeeded = 200, True
    try:
        context.exchange.store.check()
        micro = is_micro(request.headers.get("X-MBX-TIME-UNIT"))
        values = _values(request, body)
        if operation.signed:
            context.account.check_key(request.headers.get("X-MBX-APIKEY"))
            query = request.raw_path.partition("?")[2]
            context.account.check_signature(signed_payload(query, body), values.get("signature"))
            check_time(values, now_ms)
        answer = perform(context, operation, Params(values), now_ms)
        answer = in_microseconds(answer) if micro else answer
    except Refused as refused:
        answer, status, succeeded = refused.body(), refused.status, False
        if refused.retry_after_s:
            retry["Retry-After"] = str(refused.retry_after_s)
    except StoreFailed as failure:
        # Whether it was kept is not known here, as with Binance's own 5xx.
        context.fail(failure)
        answer = {"code": -1000, "msg": "An unknown error occurred while processing the request."}
        status, succeeded = 500, False
    headers = context.limits.headers(now_ms, with_orders=operation.places_orders and succeeded)
    return _response(answer, status, headers | retry)


def _edited(response: web.Response, change: Callable[[Any], Any]) -> web.Response:
    assert isinstance(response.body, bytes)
    response.body = _encode(change(msgspec.json.decode(response.body)))
    return response


def _values(request: web.Request, body: str) -> dict[str, str]:
    """Parameters of the body and of the query string, which wins. Raises Refused where one of them has one twice."""
    values: dict[str, str] = {}
    for part in (body, request.raw_path.partition("?")[2]):
        pairs = parse_qsl(part, keep_blank_values=True)
        if len(dict(pairs)) < len(pairs):
            raise Refused(-1101, "Duplicate values for a parameter detected.")
        values |= pairs
    return values


def _response(answer: Any, status: int, headers: dict[str, str]) -> web.Response:
    return web.Response(
        body=_encode(answer), status=status, headers=headers, content_type="application/json", charset="UTF-8"
    )

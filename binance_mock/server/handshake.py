"""What is refused before a WebSocket opens: too many connections, too much weight, and a wrong time unit."""

import msgspec
from aiohttp import web

from binance_mock.engine.errors import Refused
from binance_mock.protocol.time_units import is_micro
from binance_mock.state.context import Context


class _Banned(web.HTTPClientError):
    status_code = 418


_REFUSALS: dict[int, type[web.HTTPClientError]] = {418: _Banned, 429: web.HTTPTooManyRequests}


def wants_micro(context: Context, request: web.Request, weight: int = 0) -> bool:
    """Counts the connection, and its request weight; whether it wants times in microseconds.

    Raises HTTPException where it is refused.
    """
    now_ms = context.now_ms()
    try:
        context.limits.connect(now_ms)
        if weight:
            context.limits.spend(weight, now_ms)
        return is_micro(request.query.get("timeUnit"))
    except Refused as refused:
        headers = {"Retry-After": str(refused.retry_after_s)} if refused.retry_after_s else None
        kind = _REFUSALS.get(refused.status, web.HTTPBadRequest)
        body = msgspec.json.encode(refused.body()).decode()
        raise kind(text=body, headers=headers, content_type="application/json") from None

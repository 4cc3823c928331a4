"""What is refused before a WebSocket opens: too many connections, and a wrong time unit."""

import msgspec
from aiohttp import web

from binance_mock.engine.errors import Refused
from binance_mock.protocol.time_units import is_micro
from binance_mock.state.context import Context


def wants_micro(context: Context, request: web.Request) -> bool:
    """Counts the connection; whether it wants times in microseconds. Raises HTTPException where it is refused."""
    try:
        context.limits.connect(context.now_ms())
        return is_micro(request.query.get("timeUnit"))
    except Refused as refused:
        headers = {"Retry-After": str(refused.retry_after_s)} if refused.retry_after_s else None
        kind = web.HTTPTooManyRequests if refused.status == 429 else web.HTTPBadRequest
        body = msgspec.json.encode(refused.body()).decode()
        raise kind(text=body, headers=headers, content_type="application/json") from None

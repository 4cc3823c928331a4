"""How a request by REST is answered on a bad day, as bytes on its connection."""

import asyncio
import socket
import struct

import msgspec
from aiohttp import web

from binance_mock.engine.errors import Refused
from binance_mock.faults.faults import Fault
from binance_mock.server.faults.answers import Page
from binance_mock.server.faults.requests import GARBAGE_BYTES, Done, Way


async def answered(request: web.Request, done: Done[web.Response]) -> web.StreamResponse:
    match done:
        case Done(Way.FALSE, said=Refused() as refused):
            headers = {"Retry-After": str(refused.retry_after_s)} if refused.retry_after_s else {}
            body = msgspec.json.encode(refused.body())
            return web.Response(
                body=body, status=refused.status, headers=headers, content_type="application/json", charset="UTF-8"
            )
        case Done(Way.FALSE, said=Page() as page):
            return web.Response(body=page.body, status=page.status, content_type=page.content_type)
        case Done(Way.CUT, fault=Fault() as fault):
            return _cut(request, fault)
        case Done(Way.GARBAGE, fault=Fault() as fault):
            return web.Response(body=fault.chance.randbytes(GARBAGE_BYTES), content_type="application/json")
        case Done(Way.BREAKS_OFF, answer=web.Response() as response):
            return await _cut_off(request, response)
        case Done(Way.LATER, answer=web.Response() as response):
            await asyncio.sleep(done.delay_s)
            return response
    assert done.answer is not None, done
    return done.answer


def _cut(request: web.Request, fault: Fault) -> web.Response:
    """Ends the connection without an answer: as often by a plain end as by a reset."""
    transport = request.transport
    if transport is not None:
        sock = transport.get_extra_info("socket")
        if sock is not None and fault.chance.random() < 0.5:
            # No lingering: the system says it by RST instead of FIN.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    # Nobody is left to get it; aiohttp wants one.
    return web.Response(status=500)


async def _cut_off(request: web.Request, response: web.Response) -> web.StreamResponse:
    """Sends the headers of the whole answer and half of its body, then ends the connection."""
    body = response.body
    assert isinstance(body, bytes)
    headers = {name: value for name, value in response.headers.items() if name != "Content-Length"}
    begun = web.StreamResponse(status=response.status, headers=headers)
    begun.content_length = len(body)
    await begun.prepare(request)
    await begun.write(body[: len(body) // 2])
    if request.transport is not None:
        request.transport.close()
    return begun

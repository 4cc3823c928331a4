"""The faults over HTTP, outside Binance's protocol; no fault applies to these.

    GET    /mock/faults            every fault: its settings, what remains, how often it was injected; all kinds
    POST   /mock/faults            {"kind", "probability"?, "count"?, "for_s"?, "seed"?, "symbol"?, …}: turns one on
    DELETE /mock/faults            turns all off
    DELETE /mock/faults/{which}    turns one off by its id, or all of a kind

POST and DELETE need the account's key in the header X-MBX-APIKEY; no web page of another site can send that.
"""

from collections.abc import Callable
from typing import Any

import msgspec
from aiohttp import web

from binance_mock.engine.errors import Refused
from binance_mock.faults.faults import BadFault, Fault
from binance_mock.faults.kinds import KINDS
from binance_mock.protocol.operations import REST
from binance_mock.state.context import Context
from hedgehog_project.outside import read_json


def routes(context: Context, changed: Callable[[], None], healed: Callable[[], None]) -> list[web.RouteDef]:
    """`changed` is called when a fault was turned on or off, `healed` when all were turned off."""
    faults = context.faults
    faults.endpoints = frozenset([*(f"{method} {path}" for method, path in REST), *(path for _, path in REST)])

    async def show(request: web.Request) -> web.Response:
        now_ms = context.now_ms()
        # `strikes` is the old name of `applies_to`, for one release.
        kinds = [
            {"name": kind.name, "group": kind.group, "text": kind.text}
            | {"applies_to": kind.applies_to, "strikes": kind.applies_to}
            | {"takes": sorted(kind.takes), "options": dict(kind.options)}
            for kind in KINDS.values()
        ]
        return _response({"faults": [fault.shown(now_ms) for fault in faults.all(now_ms)], "kinds": kinds})

    async def turn_on(request: web.Request) -> web.Response:
        body = await request.read()

        def act() -> dict[str, Any]:
            try:
                wanted = msgspec.convert(read_json(body), dict[str, Any])
            except ValueError:
                raise BadFault('Send {"kind": "answer_lost", "probability": 0.2, "for_s": 30}.') from None
            return faults.turn_on(wanted, context.now_ms()).shown(context.now_ms())

        return guarded(request, act)

    async def turn_off(request: web.Request) -> web.Response:
        which = request.match_info.get("which", "all")

        def act() -> dict[str, Any]:
            ended: list[Fault] = faults.turn_off(which, context.now_ms())
            if which == "all":
                healed()
            return {"faults": [fault.shown(context.now_ms()) for fault in ended]}

        return guarded(request, act)

    def guarded(request: web.Request, act: Callable[[], dict[str, Any]]) -> web.Response:
        try:
            context.account.check_key(request.headers.get("X-MBX-APIKEY"))
            answer = act()
        except Refused as refused:
            return _response(refused.body(), refused.status)
        except BadFault as error:
            return _response({"code": -1130, "msg": str(error)}, 404 if request.method == "DELETE" else 400)
        changed()
        return _response(answer)

    return [
        web.get("/mock/faults", show),
        web.post("/mock/faults", turn_on),
        web.delete("/mock/faults", turn_off),
        web.delete("/mock/faults/{which}", turn_off),
    ]


def _response(answer: Any, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(answer), status=status, content_type="application/json")

"""Runs the exchange: one process, one event loop, on 127.0.0.1."""

import asyncio
import contextlib
import logging
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from binance_mock.market.paper import PaperMarket
from binance_mock.server import control, rest
from binance_mock.server.faults import control as fault_control
from binance_mock.server.faults.schedule import Faults
from binance_mock.server.market_streams import MarketStreams
from binance_mock.server.ws_api import WsApi
from binance_mock.state.context import Context
from binance_mock.state.store import StoreFailed
from hedgehog_project.venues import WORLD_HEADER, Venue

logger = logging.getLogger(__name__)

HOST = "127.0.0.1"
# The market moves in steps: what traded within one is one transaction and one write to each subscriber.
STEP_S = 0.01
MAX_TRADES_PER_STEP = 500
PROGRESS_EVERY_S = 60.0


def make_app(context: Context) -> web.Application:
    """The exchange as an aiohttp application; its market moves while the application runs."""
    faults = Faults(context)
    streams, ws_api = MarketStreams(context, faults), WsApi(context, faults)
    app = web.Application(client_max_size=2**20, middlewares=[only_of(context.world)])
    app.add_routes(
        [*streams.routes(), *ws_api.routes(), *control.routes(context), *rest.routes(context, faults.requests)]
    )
    app.add_routes(fault_control.routes(context, changed=faults.changed, healed=faults.requests.lift_ban))

    async def work(app: web.Application) -> AsyncIterator[None]:
        context.failed = asyncio.get_running_loop().create_future()
        jobs: list[Callable[[], Awaitable[None]]] = [
            lambda: move_market(context),
            streams.tick,
            faults.tick,
            lambda: report_progress(context, streams, ws_api),
        ]
        if isinstance(context.market, PaperMarket):
            market = context.market
            jobs.append(lambda: market.follow(context.exchange))
        tasks = [asyncio.create_task(_guard(context, job)) for job in jobs]
        yield
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def say_goodbye(app: web.Application) -> None:
        await asyncio.gather(streams.shut_down(), ws_api.shut_down())

    app.cleanup_ctx.append(work)
    app.on_shutdown.append(say_goodbye)
    return app


def only_of(world: Venue) -> Any:
    """Refuses what says that it is for another world: what is asked there must not be answered by this account."""

    @web.middleware
    async def answered(request: web.Request, handler: Handler) -> web.StreamResponse:
        wanted = request.headers.get(WORLD_HEADER, world.shown)
        if wanted == world.shown:
            return await handler(request)
        refusal = {"code": -2015, "msg": f"This mock exchange runs {world.shown} now, not {wanted}."}
        return web.json_response(refusal, status=401)

    return answered


async def _guard(context: Context, job: Callable[[], Awaitable[None]]) -> None:
    """No task dies silently: whatever ends one ends the exchange, which is started again by who watches it."""
    try:
        await job()
    except asyncio.CancelledError:
        raise
    except BaseException as error:
        context.fail(error)
        raise


async def move_market(context: Context) -> None:
    """Lets the market trade as time goes by, until cancelled. Raises StoreFailed."""
    while True:
        trades = context.market.until(context.now_ms(), MAX_TRADES_PER_STEP)
        if trades:
            context.exchange.trade(trades, context.now_ms(), context.market.marks())
        # A full step means that more is due: others get a turn, and it goes on.
        await asyncio.sleep(0 if len(trades) == MAX_TRADES_PER_STEP else STEP_S)


async def report_progress(context: Context, streams: MarketStreams, ws_api: WsApi) -> None:
    """A line a minute for people."""
    before = 0
    while True:
        await asyncio.sleep(PROGRESS_EVERY_S)
        counters = context.exchange.counters
        rate = (counters.trades - before) / PROGRESS_EVERY_S
        before = counters.trades
        broken = getattr(context.market, "broken", 0)
        logger.info(
            "%.1f trades/s; since the start %s orders (%s open), %s fills, %s cancels; %s + %s connections%s",
            rate, counters.orders, len(context.exchange.engine.open_orders()), counters.fills, counters.cancels,
            len(streams), len(ws_api), f"; {broken} lines of the file skipped" if broken else "",
        )  # fmt: skip


async def serve(context: Context, port: int, started: Callable[[int], None]) -> None:
    """Serves until SIGTERM or SIGINT. Raises OSError where the port is taken, and whatever ended the exchange.

    `started` is called with the port once requests are answered; port 0 takes a free one.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    runner = web.AppRunner(make_app(context), access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    try:
        await web.TCPSite(runner, HOST, port).start()
        started(runner.addresses[0][1])
        assert context.failed is not None
        failed = context.failed
        failed.add_done_callback(lambda _: stop.set())
        await stop.wait()
        if failed.done():
            raise failed.result()
    finally:
        with contextlib.suppress(StoreFailed):
            await runner.cleanup()

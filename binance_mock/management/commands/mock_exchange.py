"""`manage.py mock_exchange`: runs the mock exchange until SIGTERM or SIGINT."""

import asyncio
import logging
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from binance_mock.configured import BadSettings, desk_from_settings
from binance_mock.server.serve import HOST, serve
from binance_mock.state.store import StoreFailed

logger = logging.getLogger("binance_mock")


class Command(BaseCommand):
    help = "Runs the mock exchange: Binance's Spot protocol on 127.0.0.1, with play money."
    # It needs neither Django's database nor Redis (but for MARKET=live).
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=settings.MOCK_PORT, help="default: MOCK_PORT")

    def handle(self, *args: Any, **options: Any) -> None:
        port = options["port"]
        if not 0 <= port < 65536:
            raise CommandError(f"{port} is not a port")
        try:
            asyncio.run(self._run(port))
        except (BadSettings, StoreFailed) as error:
            raise CommandError(str(error)) from None
        except OSError as error:
            raise CommandError(
                f"Cannot listen on {HOST}:{port}: {error.strerror or error}. Is another mock exchange running?"
            ) from None
        except KeyboardInterrupt:
            return

    async def _run(self, port: int) -> None:
        context = await desk_from_settings()
        engine = context.exchange.engine

        def started(port: int) -> None:
            trading = [symbol for symbol, book in engine.books.items() if book.rules.is_trading]
            named = ", ".join(trading[:6]) + (f" and {len(trading) - 6} more" if len(trading) > 6 else "")
            money = ", ".join(
                f"{each.free + each.locked:f} {asset}" for asset, each in engine.ledger.balances().items()
            )
            logger.info(
                "Mock exchange on http://%s:%s, market %s, fills %s: %s. The account has %s and %s open orders.",
                HOST, port, settings.MARKET, settings.MOCK_FILL, named, money or "nothing", len(engine.open_orders()),
            )  # fmt: skip

        try:
            await serve(context, port, started)
        finally:
            context.exchange.store.close()
        logger.info("Mock exchange stopped")

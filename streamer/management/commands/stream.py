"""manage.py stream: keeps the websockets connected and publishes trades and execution reports to Redis."""

import re
import signal
import time
from argparse import RawDescriptionHelpFormatter
from typing import Any

import redis
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from hedgehog_project.redis import connect
from hedgehog_project.venues import Endpoints, Market, Venue, default_market, endpoints, markets, running
from streamer import rest, symbols
from streamer.service import KnownSymbols, Rows, Streamer, StreamerFailed, Wanted

EXAMPLES = """
Publishes public trades to the Redis streams trade_events:{market}:{SYMBOL}, and the account's execution reports to
execution_reports:{venue}, until Ctrl-C. Reconnects automatically; missed trades are backfilled.

  manage.py stream                          all symbols with the price feed on, following changes
  manage.py stream ETHUSDT BTCUSDT          these two symbols, from the default market
  manage.py stream ETHUSDT --market live    Binance's live trades (no key needed)
"""

ASK_AGAIN_S = 2.0


class Command(BaseCommand):
    help = EXAMPLES
    requires_system_checks: list[str] = []

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        return super().create_parser(prog_name, subcommand, formatter_class=RawDescriptionHelpFormatter, **kwargs)

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "symbols", nargs="*", metavar="SYMBOL", help="such as ETHUSDT; default: all with the price feed on"
        )
        parser.add_argument(
            "--market",
            choices=[market.value for market in markets()],
            help=f"market of the named symbols (default: {default_market()})",
        )
        parser.add_argument("--no-user-stream", action="store_true", help="public trades only")

    def handle(self, *args: Any, **options: Any) -> None:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            self._stream(options["symbols"], options["market"], with_user_streams=not options["no_user_stream"])
        except KeyboardInterrupt:
            return

    def _stream(self, names: list[str], market_name: str | None, with_user_streams: bool) -> None:
        if market_name and not names:
            raise CommandError("--market requires symbols")
        client = self._redis()
        if names:
            market = Market(market_name) if market_name else default_market()
            wanted = self._named(market, [name.strip().upper() for name in names])
            source = lambda: wanted  # noqa: E731
        else:
            rows, listed = Rows(), KnownSymbols()
            source = lambda: {market: listed.known(market, of) for market, of in rows.wanted().items()}  # noqa: E731
        try:
            Streamer(client, source, self._user_venues() if with_user_streams else {}).run()
        except StreamerFailed as error:
            raise CommandError(f"the streamer stopped: {error}") from error

    def _named(self, market: Market, names: list[str]) -> Wanted:
        """The symbols as wanted, once the exchange has said that they trade. Waits for an exchange that is away."""
        for name in names:
            if not re.fullmatch(r"[\w.-]{1,32}", name):
                raise CommandError(f"invalid symbol {name!r}: use letters and digits, for example ETHUSDT")
        said = ""
        while True:
            try:
                objection = symbols.objection(market, endpoints(market), names)
            except (rest.Unreachable, rest.Refused) as error:
                if str(error) != said:
                    said = str(error)
                    self.stderr.write(f"waiting for the {market} exchange: {said}")
                time.sleep(getattr(error, "retry_after_s", None) or ASK_AGAIN_S)
                continue
            if objection:
                raise CommandError(objection)
            return {market: set(names)}

    def _redis(self) -> "redis.Redis":
        try:
            return connect()
        except (ValueError, redis.RedisError):
            # It may hold a password: nothing of it is repeated.
            raise CommandError("invalid REDIS_URL: use redis://:password@host:6379/0") from None

    def _user_venues(self) -> dict[Venue, Endpoints]:
        """The venues where we have a key. A live key is used only where live trading is allowed."""
        venues = {
            venue: endpoints(venue) for venue in running() if venue != Venue.LIVE or settings.HEDGEHOG_ALLOW_LIVE
        }
        return {venue: at for venue, at in venues.items() if at.key}

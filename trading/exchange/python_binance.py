"""python-binance's REST client, without what its package imports beside it.

The face of the package imports its asynchronous clients, and they import aiohttp: with the reader of dates in words
that is 14 MB and a tenth of a second for each process that places orders. They are loaded when somebody uses them.
"""

from hedgehog_project.later import put_off

for package in ("binance", "dateparser"):
    put_off(package)

from binance.client import Client  # noqa: E402
from binance.exceptions import BinanceAPIException, BinanceRequestException  # noqa: E402

__all__ = ["BinanceAPIException", "BinanceRequestException", "Client"]

"""Where trades come from (a market) and where orders go (a venue), and their addresses and keys.

Addresses are those of Binance's documents: rest-api/general-api-information.md, web-socket-streams.md and
web-socket-api/general-api-information.md.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from django.conf import settings


class Venue(StrEnum):
    """Where a trader's orders go, and, as a market, where trade events come from."""

    LIVE = "live"
    TESTNET = "testnet"
    DEMO = "demo"
    MOCK = "mock"


# The same names: paper trading is the market live with the venue mock.
Market = Venue


@dataclass(frozen=True)
class Place:
    """One exchange's addresses, and our key there. The secret never shows in a repr."""

    rest_url: str  # without /api/v3
    ws_api_url: str
    stream_url: str  # without /ws or /stream
    api_key: str = field(default="", repr=False)
    api_secret: str = field(default="", repr=False)

    @property
    def has_key(self) -> bool:
        return bool(self.api_key and self.api_secret)


def place(venue: Venue) -> Place:
    """The addresses and the key of a venue, as settings have them now."""
    match venue:
        case Venue.LIVE:
            return Place(
                "https://api.binance.com",
                "wss://ws-api.binance.com:443/ws-api/v3",
                "wss://stream.binance.com:9443",
                settings.BINANCE_API_KEY,
                settings.BINANCE_API_SECRET,
            )
        case Venue.TESTNET:
            return Place(
                "https://testnet.binance.vision",
                "wss://ws-api.testnet.binance.vision/ws-api/v3",
                "wss://stream.testnet.binance.vision",
                settings.TESTNET_API_KEY,
                settings.TESTNET_API_SECRET,
            )
        case Venue.DEMO:
            return Place(
                "https://demo-api.binance.com",
                "wss://demo-ws-api.binance.com/ws-api/v3",
                "wss://demo-stream.binance.com",
                settings.DEMO_API_KEY,
                settings.DEMO_API_SECRET,
            )
        case Venue.MOCK:
            address = f"127.0.0.1:{settings.MOCK_PORT}"
            return Place(
                f"http://{address}",
                f"ws://{address}/ws-api/v3",
                f"ws://{address}",
                settings.MOCK_API_KEY,
                settings.MOCK_API_SECRET,
            )


def default_market() -> Market:
    """The market that the mock exchange's orders trade in: its own, or in paper mode Binance's."""
    return Market.LIVE if settings.MARKET == "live" else Market.MOCK


def market_of(venue: Venue) -> Market:
    """The market whose trade events concern the traders of a venue."""
    return default_market() if venue == Venue.MOCK else Market(venue)

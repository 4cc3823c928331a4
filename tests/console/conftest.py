"""What pages and commands are tried with: the same as trading itself."""

from tests.trading.conftest import (  # noqa: F401 fixtures
    at_mock,
    exchange,
    mock,
    no_kept_filters,
    running_mock,
    seeded_profiles,
    symbol,
    trader,
)

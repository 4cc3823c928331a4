"""The mock exchange's pages in the admin, each read from the running exchange."""

from binance_mock.admin import account, faults

__all__ = ["account", "faults"]

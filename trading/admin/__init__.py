"""The admin, the product's face. It reads rows and calls the same functions as everything else."""

from trading.admin import journal, orders, people, schedule, switch, symbols, traders

__all__ = ["journal", "orders", "people", "schedule", "switch", "symbols", "traders"]

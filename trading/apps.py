from django.apps import AppConfig

from trading.strategies import checks  # noqa: F401 registers them


class TradingConfig(AppConfig):
    name = "trading"

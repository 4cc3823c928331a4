from django.apps import AppConfig

from hedgehog_project import celery  # noqa: F401 the app that tasks are queued by; streamer and exchange queue none
from trading.strategies import checks  # noqa: F401 registers them


class TradingConfig(AppConfig):
    name = "trading"

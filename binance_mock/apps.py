from importlib import import_module

from django.apps import AppConfig


class BinanceMockConfig(AppConfig):
    name = "binance_mock"
    verbose_name = "Mock exchange"

    def ready(self) -> None:
        import_module("binance_mock.checks")  # registers it

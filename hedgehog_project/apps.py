from importlib import import_module

from django.apps import AppConfig


class HedgehogProjectConfig(AppConfig):
    name = "hedgehog_project"
    verbose_name = "Hedgehog"

    def ready(self) -> None:
        import_module("hedgehog_project.checks")  # registers them

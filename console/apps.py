from django.apps import AppConfig


class ConsoleConfig(AppConfig):
    """What people see and type. It has no rows of its own."""

    name = "console"

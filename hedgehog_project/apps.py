from django.apps import AppConfig


class HedgehogProjectConfig(AppConfig):
    name = "hedgehog_project"
    verbose_name = "Hedgehog"

"""Pages beside the admin, for programs."""

from django.urls import path

from trading.health import readyz

urlpatterns = [path("readyz", readyz)]

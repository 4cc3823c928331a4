"""Pages beside the admin, for programs."""

from django.urls import path

from console.readyz import readyz

urlpatterns = [path("readyz", readyz)]

"""What Django's page for an unhandled error shows with DEBUG=1: no keys and no passwords."""

from collections.abc import ItemsView
from pprint import pformat
from types import FrameType
from typing import Any

from django.http import HttpRequest
from django.views.debug import SafeExceptionReporterFilter

from hedgehog_project.hiding import known_secrets


class HidesKeys(SafeExceptionReporterFilter):
    """Django's own goes by the names of settings. The headers of a request lie under any name in any frame."""

    def get_traceback_frame_variables(self, request: HttpRequest | None, tb_frame: FrameType) -> ItemsView[str, Any]:
        keys = known_secrets()
        found = super().get_traceback_frame_variables(request, tb_frame)
        return {name: self.cleansed_substitute if _shows(value, keys) else value for name, value in found}.items()


def _shows(value: Any, keys: list[str]) -> bool:
    try:
        text = pformat(value)
    except Exception:  # noqa: BLE001 -- a repr may raise anything; what can't be looked at is not shown
        return True
    return any(key in text or repr(key)[1:-1] in text for key in keys)

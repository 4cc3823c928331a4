"""Celery beat's schedule, editable, in Unfold's clothes."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django_celery_beat import admin as beat
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    SolarSchedule,
)
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from console.admin.base import PlainHistory
from trading.schedule import LEADER, OURS

for model in (PeriodicTask, IntervalSchedule, CrontabSchedule, SolarSchedule, ClockedSchedule):
    admin.site.unregister(model)


class TaskSelectWidget(UnfoldAdminSelectWidget, beat.TaskSelectWidget):
    """Unfold's looks, beat's choices."""


class PeriodicTaskForm(beat.PeriodicTaskForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # A person who may only look gets a form without fields.
        if "task" in self.fields:
            self.fields["task"].widget = UnfoldAdminTextInputWidget()
        if "regtask" in self.fields:
            self.fields["regtask"].widget = TaskSelectWidget()


@admin.register(PeriodicTask)
class PeriodicTaskAdmin(beat.PeriodicTaskAdmin, PlainHistory):
    """Ours are disabled rather than deleted: the next start would write them again. The leader always runs."""

    form = PeriodicTaskForm
    # Not when it last ran: beat writes that down every few minutes only.
    list_display = ("name", "enabled", "interval", "crontab", "task")
    list_filter = ("enabled", "one_off")
    date_hierarchy = None

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and (obj is None or obj.task != LEADER)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and (obj is None or obj.task not in OURS)

    @admin.action(description="Disable selected tasks", permissions=["change"])
    def disable_tasks(self, request: HttpRequest, queryset: QuerySet[PeriodicTask]) -> None:
        super().disable_tasks(request, self._without_leader(request, queryset))

    @admin.action(description="Toggle activity of selected tasks", permissions=["change"])
    def toggle_tasks(self, request: HttpRequest, queryset: QuerySet[PeriodicTask]) -> None:
        super().toggle_tasks(request, self._without_leader(request, queryset))

    def _without_leader(self, request: HttpRequest, chosen: QuerySet[PeriodicTask]) -> QuerySet[PeriodicTask]:
        if chosen.filter(task=LEADER).exists():
            text = "The leader always runs. To stop all trading, halt it under Trading control."
            self.message_user(request, text, messages.WARNING)
        return chosen.exclude(task=LEADER)


class PeriodAdmin(PlainHistory):
    """The leader's own second stays what it is; another task that is to run less often gets another period."""

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and not _is_leaders(obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and not _is_leaders(obj)


def _is_leaders(period: Any) -> bool:
    return period is not None and period.periodictask_set.filter(task=LEADER).exists()


@admin.register(IntervalSchedule)
class IntervalScheduleAdmin(PeriodAdmin):
    pass


@admin.register(CrontabSchedule)
class CrontabScheduleAdmin(beat.CrontabScheduleAdmin, PeriodAdmin):
    inlines = ()


@admin.register(SolarSchedule)
class SolarScheduleAdmin(PeriodAdmin):
    pass


@admin.register(ClockedSchedule)
class ClockedScheduleAdmin(PeriodAdmin):
    list_display = ("clocked_time",)

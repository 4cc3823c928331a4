"""Celery beat's schedule, editable, in Unfold's clothes."""

from typing import Any

from django.contrib import admin
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
    form = PeriodicTaskForm
    # Not when it last ran: beat writes that down every few minutes only.
    list_display = ("name", "enabled", "interval", "crontab", "task")
    list_filter = ("enabled", "one_off")
    date_hierarchy = None


@admin.register(IntervalSchedule)
class IntervalScheduleAdmin(PlainHistory):
    pass


@admin.register(CrontabSchedule)
class CrontabScheduleAdmin(beat.CrontabScheduleAdmin, PlainHistory):
    inlines = ()


@admin.register(SolarSchedule)
class SolarScheduleAdmin(PlainHistory):
    pass


@admin.register(ClockedSchedule)
class ClockedScheduleAdmin(PlainHistory):
    list_display = ("clocked_time",)

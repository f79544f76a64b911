"""Heavy training in the hours that the calendar calls off-peak, and never into a release freeze.

Due on Saturdays at 18:00. The calendar holds a daily event "Off-peak" (22:00 to 06:00 in the demo), so a run
waits for the evening; the four hours that it takes must fit before the morning. In a week with an event whose
title ends in "freeze" it waits on, for at most three days, and is skipped when even that is not enough.
"""

from datetime import timedelta

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

from calendar_timetable import Calendar, CalendarTimetable

with DAG(
    "weekly_retraining",
    description="Off-peak, and not in a freeze",
    schedule=CalendarTimetable(
        "0 18 * * SAT",
        windows=Calendar("team_calendar", match="off-peak"),
        blackouts=Calendar("team_calendar", match="*freeze", show_titles=True),
        duration=timedelta(hours=4),
        max_delay=timedelta(days=3),
    ),
    tags=["calendar"],
):
    BashOperator(task_id="train", bash_command="echo training until {{ data_interval_end }}")

"""DAGs for the page.

They are moved by a weekly rule, hidden from a reader, have hostile names, or one of Airflow's own
kinds of schedule.
"""

import os
from datetime import datetime, timedelta
from pathlib import Path

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import (
    DAG,
    Asset,
    AssetOrTimeSchedule,
    CronTriggerTimetable,
    MultipleCronTriggerTimetable,
)

from calendar_timetable import Calendar, CalendarTimetable, Weekly

START = datetime(2026, 1, 1)
HELD = CalendarTimetable(
    "0 12 * * *", timezone="Europe/Berlin", windows=Weekly("daily 22:00-06:00")
)
HOSTILE = "<script>document.title='owned'</script>\u202e"
TEAM = Path(
    os.environ["TEAM_CALENDAR"]
)  # a freeze of three days, from tomorrow; and an event that cannot be understood

visible = DAG("visible", schedule=HELD, start_date=START, catchup=False, tags=["ml"])
secret = DAG("secret", schedule=HELD, start_date=START, catchup=False, tags=["ml", "hidden"])
hostile = DAG(
    "hostile",
    dag_display_name=HOSTILE,
    schedule=CalendarTimetable(
        timedelta(hours=7),
        windows=Weekly("daily 00:00-24:00"),
        blackouts=Calendar(str(TEAM.with_name("hostile.ics")), show_titles=True),
    ),
    start_date=START,
    catchup=False,
    tags=["javascript:alert(1)", HOSTILE],
)
with hostile:
    EmptyOperator(task_id="task", owner=f"{HOSTILE}\r\nX-Injected: 1")
plain = DAG("plain", schedule="30 5 * * *", start_date=START, catchup=False)
with DAG("with_dates", schedule="0 6 * * *", catchup=False, default_args={"start_date": START}):
    EmptyOperator(task_id="task")

skipping = DAG(
    "skipping",
    schedule=CalendarTimetable(
        "0 9 * * *", timezone="Europe/Berlin", blackouts=Weekly("sat-sun"), when_blocked="skip"
    ),
    start_date=START,
    catchup=False,
)
titled = DAG(
    "titled",
    schedule=CalendarTimetable(
        "0 3 * * *", blackouts=Calendar(str(TEAM), show_titles=True), duration=timedelta(hours=2)
    ),
    start_date=START,
    catchup=False,
)
untitled = DAG(
    "untitled",
    schedule=CalendarTimetable(
        "0 4 * * *", blackouts=Calendar(str(TEAM), max_stale=timedelta(hours=6))
    ),
    start_date=START,
    catchup=False,
)
worked = DAG("worked", schedule="@monthly", start_date=START, catchup=False, tags=["worked"])
often = DAG("often", schedule="*/10 * * * *", start_date=START, catchup=False)
intervals = DAG("intervals", schedule=timedelta(hours=5), start_date=START, catchup=False)
several = DAG(
    "several",
    schedule=MultipleCronTriggerTimetable(
        "0 3 * * *", "30 15 * * SAT", timezone="America/New_York"
    ),
    start_date=START,
    catchup=False,
)
either = DAG(
    "either",
    schedule=AssetOrTimeSchedule(
        timetable=CronTriggerTimetable("15 4 * * *", timezone="UTC"), assets=[Asset("a")]
    ),
    start_date=START,
    catchup=False,
)
on_asset = DAG("on_asset", schedule=[Asset("a")], start_date=START, catchup=False)
unscheduled = DAG("unscheduled", schedule=None, start_date=START, catchup=False)
once = DAG("once", schedule="@once", start_date=START, catchup=False)

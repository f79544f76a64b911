"""Work that waits until the team's meeting is over.

Due every other minute, which no real report is, so that there is something to see at once. In
``make demo`` the team's calendar is an Airflow Connection: its address, and its password if it has
one, stay out of the DAG.

While an event whose title matches keeps people busy, the run waits; when the event ends, it starts.
Shorten the meeting in the calendar, and the run moves to the earlier end: Airflow reads this file
again every few seconds here (every 30 by default), and the calendar is asked anew after
``refresh``.

The due times that pass during one meeting would all start at its end, so only the last of them runs
(``coalesce=False`` would run each).
"""

from datetime import timedelta

from airflow.sdk import DAG, task
from calendar_examples import TEAM_CALENDAR

from calendar_timetable import Calendar, CalendarTimetable

with DAG(
    "calendar_demo",
    description="Waits for the end of a meeting",
    schedule=CalendarTimetable(
        "*/2 * * * *",
        blackouts=Calendar(
            TEAM_CALENDAR,
            refresh=timedelta(seconds=5),
            show_titles=True,  # let Airflow's users read what the meeting is called
        ),
    ),
    tags=["calendar"],
):

    @task
    def report() -> str:
        return "The meeting is over: here is the report."

    report()

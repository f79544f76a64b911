"""A cookbook: ten short DAGs, one for each thing that a calendar can say about a schedule.

They are paused until somebody wants one. ``calendar-timetable preview --dag-id recipe_windows``
shows what each will do, and why.
"""

from datetime import timedelta

from airflow.sdk import DAG, task
from calendar_examples import OFF_PEAK, TEAM_CALENDAR, ZONE

from calendar_timetable import Calendar, CalendarTimetable, Holidays, Weekly


def recipe(name: str, schedule: CalendarTimetable, what: str) -> DAG:
    """A DAG of one task that says when it was due and when it ran."""
    with DAG(
        f"recipe_{name}",
        schedule=schedule,
        description=what,
        is_paused_upon_creation=True,
        tags=["calendar", "recipe"],
    ) as made:

        @task
        def say(dag_run=None) -> str:
            return f"due {dag_run.data_interval_end}, started {dag_run.start_date}"

        say()
    return made


recipe(
    "windows",
    CalendarTimetable(
        "0 17 * * *", timezone=ZONE, windows=Weekly("mon-fri 19:00-07:00", "sat-sun")
    ),
    "Due at 17:00, may start from 19:00 on: weekly rules say when work is welcome",
)
recipe(
    "blackouts",
    CalendarTimetable("*/30 * * * *", blackouts=Calendar(TEAM_CALENDAR)),
    "Every half hour, but not while the team is busy",
)
recipe(
    "duration",
    CalendarTimetable("0 5 * * *", timezone=ZONE, windows=OFF_PEAK, duration=timedelta(hours=3)),
    (
        "Three hours from 05:00 would last until 08:00, past the window's end: "
        "it waits for the evening"
    ),
)
recipe(
    "advance",
    CalendarTimetable(
        "0 12 * * MON",
        timezone=ZONE,
        windows=OFF_PEAK,
        duration=timedelta(hours=2),
        when_blocked="advance",
    ),
    (
        "The report has to be there on Monday at 12:00: "
        "it starts at the last moment before that fits, at 05:00"
    ),
)
recipe(
    "skip",
    CalendarTimetable("0 9 * * *", timezone=ZONE, blackouts=Holidays("DE-BY"), when_blocked="skip"),
    "Every morning, and on public holidays not at all",
)
recipe(
    "max_delay",
    CalendarTimetable(
        "30 9 * * *",
        timezone=ZONE,
        blackouts=Calendar(TEAM_CALENDAR),
        max_delay=timedelta(minutes=10),
    ),
    (
        "Ten minutes late is still useful, later is not: "
        "on days with a stand-up of a quarter of an hour it does not run"
    ),
)
recipe(
    "stagger",
    CalendarTimetable("0 18 * * *", timezone=ZONE, windows=OFF_PEAK, stagger=timedelta(minutes=30)),
    (
        "When the window opens at 19:00 not all begin at once: "
        "each within half an hour, always as long after it"
    ),
)
recipe(
    "coalesce",
    CalendarTimetable(
        "@hourly", timezone=ZONE, windows=Weekly("daily 22:00-23:00"), coalesce=False
    ),
    (
        "What was due all day runs at 22:00, each hour's run of its own; "
        "with coalesce=True (the default) only the last"
    ),
)
recipe(
    "offset",
    CalendarTimetable(Calendar(TEAM_CALENDAR, match="All hands"), offset=timedelta(minutes=-30)),
    "Half an hour before every all-hands meeting: the calendar is the schedule",
)
recipe(
    "time_sets",
    CalendarTimetable(
        "0 20 * * *",
        timezone=ZONE,
        windows=(OFF_PEAK | Holidays("DE-BY"))
        - Calendar(
            TEAM_CALENDAR, match="*maintenance*", pad=(timedelta(hours=1), timedelta(hours=1))
        ),
    ),
    (
        "Off-peak or a holiday, and an hour away from any maintenance: "
        "time sets combine with |, &, - and ~"
    ),
)

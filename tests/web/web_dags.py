"""DAGs for the page: one moved by a weekly rule, one that a reader may not see, one with a hostile name, plain cron."""

from datetime import datetime, timedelta

from airflow.sdk import DAG

from calendar_timetable import CalendarTimetable, Weekly

START = datetime(2026, 1, 1)
HELD = CalendarTimetable("0 12 * * *", timezone="Europe/Berlin", windows=Weekly("daily 22:00-06:00"))

visible = DAG("visible", schedule=HELD, start_date=START, catchup=False)
secret = DAG("secret", schedule=HELD, start_date=START, catchup=False)
hostile = DAG(
    "hostile",
    dag_display_name="<script>document.title='owned'</script>\u202e",
    schedule=CalendarTimetable(timedelta(hours=7), windows=Weekly("daily 00:00-24:00")),
    start_date=START,
    catchup=False,
)
plain = DAG("plain", schedule="30 5 * * *", start_date=START, catchup=False)

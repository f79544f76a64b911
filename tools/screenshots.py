"""Take the pictures of README and docs: ``make screenshots``. A real Airflow, a calendar of its own, Chromium."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from demo.local_airflow import LocalAirflow
from tests.web.browser import Browser, chromium

IMAGES = Path(__file__).parents[1] / "docs" / "images"
PAGE = "/plugin/upcoming-runs"
TAB = "/dags/gpu_training/plugin/upcoming-runs-of-dag?panel=what-if"
SIZE = (1280, 640)
DAGS = """
from datetime import datetime, timedelta
from airflow.sdk import DAG
from calendar_timetable import Calendar, CalendarTimetable, Weekly

TEAM = "{calendar}"
OFF_PEAK = Weekly("mon-fri 19:00-07:00", "sat-sun")

def dag(name, schedule):
    start = datetime.fromisoformat("{now}")
    return DAG(name, schedule=schedule, start_date=start, catchup=False, is_paused_upon_creation=False)

retraining = dag("weekly_retraining", CalendarTimetable("0 2 * * SAT", timezone="Europe/Berlin", windows=OFF_PEAK,
    blackouts=Calendar(TEAM, match="*freeze*"), duration=timedelta(hours=4)))
gpu = dag("gpu_training", CalendarTimetable("0 18 * * *", timezone="Europe/Berlin", windows=OFF_PEAK,
    blackouts=Calendar(TEAM), duration=timedelta(hours=6)))
inference = dag("inference_offpeak", CalendarTimetable("30 13 * * *", timezone="Europe/Berlin", windows=OFF_PEAK))
report = dag("daily_report", "15 6 * * *")
"""
EVENT = (
    "BEGIN:VEVENT\r\nUID:{n}@demo\r\nDTSTAMP:20260101T000000Z\r\nSUMMARY:{title}\r\n"
    "DTSTART:{start}\r\nDTEND:{end}\r\nEND:VEVENT\r\n"
)


def main() -> None:
    """Take them all."""
    with tempfile.TemporaryDirectory(prefix="screenshots-") as folder:
        home = Path(folder)
        (home / "dags").mkdir()
        now = datetime.now(UTC)
        (home / "team_calendar.ics").write_text(calendar(now))
        dags = DAGS.replace("{calendar}", str(home / "team_calendar.ics")).replace("{now}", now.isoformat())
        (home / "dags" / "dags.py").write_text(dags)
        airflow = LocalAirflow(home, dags=home / "dags")
        try:
            airflow.migrate()
            read = airflow.airflow("dags", "reserialize")
            if read.returncode:
                raise RuntimeError(read.stderr[-2000:])
            airflow.start("api-server")
            airflow.wait_until_ready()
            with chromium(airflow, home / "chromium", logged_in=airflow.session()) as page:
                take(page, "upcoming-dark.png", f"{PAGE}?view=agenda", theme="dark")
                take(
                    page,
                    "timeline.png",
                    f"{PAGE}?view=timeline&date={saturday(now) - timedelta(hours=12):%Y-%m-%dT%H:00}",
                    size=(1280, 420),
                )
                take(
                    page,
                    "what-if.png",
                    "/dags/gpu_training/plugin/upcoming-runs-of-dag?panel=what-if",
                    size=(1440, 900),
                )
                take(page, "phone.png", PAGE, theme="dark", size=(390, 700))
        finally:
            airflow.stop()


def saturday(now: datetime) -> datetime:
    """The next one, at midnight."""
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return today + timedelta(days=(5 - today.weekday()) % 7 or 7)


def calendar(now: datetime) -> str:
    """A team's calendar: a release freeze over the next Saturday night, and an evening's maintenance."""
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    freeze = saturday(now)
    events = [("Release freeze", freeze - timedelta(hours=4), freeze + timedelta(hours=9))]
    for days in (0, 1, 3):
        evening = today + timedelta(days=days, hours=16)
        events.append(("Cluster maintenance", evening, evening + timedelta(hours=4 + days)))
    rows = [
        EVENT.format(n=n, title=title, start=f"{start:%Y%m%dT%H%M%SZ}", end=f"{end:%Y%m%dT%H%M%SZ}")
        for n, (title, start, end) in enumerate(events)
    ]
    return (
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//calendar_timetable//demo//EN\r\n"
        + "".join(rows)
        + "END:VCALENDAR\r\n"
    )


def take(page: Browser, name: str, path: str, *, theme: str = "light", size: tuple[int, int] = SIZE) -> None:
    """One picture of the page within Airflow."""
    page.open(path, theme=theme, size=size)
    if "what-if" in path:
        page.fill("textarea", "daily 22:00-06:00")
        page.click("button[type=submit]")
        page.one(".ct-moves")
        page.run("document.querySelector('.ct-page').scrollIntoView()")
    page.run("document.activeElement.blur()")
    page.driver.save_screenshot(str(IMAGES / name))


if __name__ == "__main__":
    main()

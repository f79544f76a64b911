"""Take the pictures of README and docs: ``make screenshots``.

They show the demo as whoever has just started it sees it.
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path

from demo.run import DAG_ID, start
from demo.services import wait_until
from tests.support.browser import Browser, chromium

IMAGES = Path(__file__).parents[1] / "docs" / "images"
PAGE = "/plugin/upcoming-runs"
WHAT_IF = "/dags/gpu_training/plugin/upcoming-runs-of-dag?panel=what-if"
EXAMPLE = "gpu_training"  # one of the last that Airflow reads


def main() -> None:
    """Take them all."""
    with tempfile.TemporaryDirectory(prefix="screenshots-") as folder, ExitStack() as at_end:
        airflow, _ = start(Path(folder), at_end)
        session = airflow.session()

        def planned() -> bool:
            plans = (
                f"{airflow.address}/calendar-timetable/api/dags/{dag_id}/plan"
                for dag_id in (DAG_ID, EXAMPLE)
            )
            return all(session.get(plan, timeout=30).ok for plan in plans)

        wait_until("the examples to be read", planned, seconds=120)
        with chromium(airflow, Path(folder, "chromium"), logged_in=session) as page:
            take(page, "timeline.png", f"{PAGE}?paused=true", size=(1280, 860))
            take(
                page,
                "upcoming-dark.png",
                f"{PAGE}?view=agenda&paused=true",
                theme="dark",
                size=(1280, 720),
            )
            take(page, "what-if.png", WHAT_IF, size=(1440, 900))
            take(page, "phone.png", f"{PAGE}?paused=true", theme="dark", size=(390, 700))


def take(
    page: Browser, name: str, path: str, *, size: tuple[int, int], theme: str = "light"
) -> None:
    """Take one picture of the page within Airflow."""
    page.open(path, theme=theme, size=size)
    if path == WHAT_IF:
        page.fill("textarea", "daily 22:00-06:00")
        page.click("button[type=submit]")
        page.one(".ct-moves")
        page.run("document.querySelector('.ct-page').scrollIntoView()")
    page.run("document.activeElement.blur()")
    page.driver.save_screenshot(str(IMAGES / name))


if __name__ == "__main__":
    main()

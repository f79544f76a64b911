"""The view of the load in Chromium on a real Airflow: pools over days, and one by the hour."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from selenium.webdriver.common.keys import Keys

from demo.services import wait_until
from tests.support.browser import Browser

pytestmark = [pytest.mark.airflow, pytest.mark.browser]
ALONE = "/calendar-timetable/"
TAB = "/dags/visible/plugin/upcoming-runs-of-dag"
HOUR = timedelta(hours=1)
SHARES = [{"dag_id": f"train_{n}", "slots": 0.5} for n in range(4)]


def told(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def hour(start: datetime, now: datetime, slots: int) -> dict[str, Any]:
    """Its pool is full at night, when it has to be waited for."""
    over, night = start + HOUR <= now, start.hour < 4
    used = float(slots if night else slots / 4)
    return {
        "start": told(start),
        "expected": None if over else used,
        "peak": None if over else slots,
        "waiting": None if over else 1.5 * night,
        "longest_wait_seconds": None if over else 1200 * night,
        "wait_at_least": False,
        "unknown_runs": int(start.hour == 12),
        "used": used if over else None,
        "usual": used,
        "usual_high": float(slots),
        "weeks": 4,
        "rests_on": None if over else 8,
        "dags": [] if over else SHARES,
        "more_dags": 0 if over else 7,
    }


@pytest.fixture
def full(browser: Browser) -> Iterator[Browser]:
    """A page that is told of six pools, one of which gets too full, and of a run that takes long."""
    now = datetime.now(UTC).replace(microsecond=0)
    begin = now.replace(hour=0, minute=0, second=0)
    names = ["gpu", "warehouse_of_the_whole_data_platform_production", "a", "b", "c", "endless"]
    pools = [
        {
            "name": name,
            "slots": -1 if name == "endless" else slots,
            "in_use": 2,
            "waiting": int(name == "gpu"),
            "hours": [
                {**hour(begin + n * HOUR, now, slots), **({} if name == "gpu" else QUIET)}
                for n in range(7 * 24)
            ],
        }
        for name, slots in zip(names, (2, 64, 8, 8, 8, 8), strict=True)
    ]
    lengths = [
        {
            "dag_id": share["dag_id"],
            "dag_display_name": share["dag_id"],
            "median_seconds": 5400,
            "high_seconds": 9000,
            "runs": 20,
        }
        for share in SHARES
    ]
    overrun = {
        "dag_id": "train_0",
        "start": told(begin + 26 * HOUR),
        "running": False,
        "waits_seconds": 1200,
        "closes": told(begin + 28 * HOUR),
        "ends": told(begin + 29 * HOUR),
    }
    load = {
        "pools": pools,
        "dags": lengths,
        "overruns": [overrun],
        "total_overruns": 1,
        "told_until": told(begin + timedelta(days=15)),
        "used_since": told(begin - timedelta(days=28)),
        "known_dags": 58,
        "unknown_dags": 2,
        "partial": False,
    }
    with ExitStack() as answers:
        answers.enter_context(browser.answering("api/load", load))
        yield browser


QUIET = {"longest_wait_seconds": 0, "waiting": 0}


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1500, 1000), (390, 800)])
def test_pools_are_readable(full: Browser, theme: str, size: tuple[int, int]) -> None:
    full.open(f"{ALONE}?view=load", theme=theme, zone="UTC", size=size)
    full.one(".ct-grid-cell")
    assert full.texts("button.ct-pool")[0] == "gpu", "what is waited for comes first"
    assert "Known of 58 DAGs, not known yet of 2" in full.text(".ct-load-known")
    assert len(full.all(".ct-grid-cell")) == 7 * 24
    assert len(full.all(".ct-now-cell")) == 1
    assert full.sideways() == 0
    assert full.violations() == []
    assert "waits 20 min for slots" in full.text(".ct-overruns")
    full.click("button.ct-pool", "endless")
    wait_until("the pool", lambda: "pool=endless" in full.path())
    assert "slots without end" in full.text(".ct-calendar h3")


def test_an_hour_leads_to_its_runs_by_keyboard(full: Browser) -> None:
    full.open(f"{ALONE}?view=load&date=2030-01-01", zone="UTC", size=(1500, 1000))
    full.press("t")
    wait_until("now", lambda: "date=" not in full.path())
    full.one(".ct-now-cell")
    full.run("document.querySelector('.ct-grid [tabindex=\"0\"]').focus()")
    full.press(Keys.ARROW_DOWN, Keys.ARROW_RIGHT)
    at = full.run("return document.activeElement.dataset.hour")
    assert at.endswith("T01:00:00Z")
    full.press(Keys.ENTER)
    said = full.text("dialog")
    for part in (
        "gpu,",
        "2 of 2 slots on average, 2 at most",
        "at least 8 runs of each DAG",
        "up to 20 min, for 1.5 slots on average",
        "2 slots on average, 2 at most: 4 weeks on record",
        "train_0",
        "takes 1 h 30 min, or up to 2 h 30 min: 20 runs on record",
        "and 7 more DAGs",
    ):
        assert part in said, part
    assert full.violations() == []
    full.press(Keys.ESCAPE)
    full.gone("dialog")
    wait_until(
        "the hour that opened it",
        lambda: full.run("return document.activeElement.dataset.hour") == at,
    )
    full.press(Keys.ENTER)
    full.click("dialog button", "See their runs")
    wait_until("their timeline", lambda: "view=timeline" in full.path())
    assert "dag=train_0" in full.path() and "date=" in full.path()


def test_a_dag_has_no_load_of_its_own(browser: Browser) -> None:
    browser.open(f"{TAB}?panel=calendar&view=load")
    assert browser.texts(".ct-views button") == ["Timeline", "Agenda", "Week", "Month"]
    assert browser.all(".ct-week")

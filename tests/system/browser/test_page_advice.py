"""The view of advice in Chromium on a real Airflow: what to write, and what it is worth."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from selenium.webdriver.common.keys import Keys

from demo.services import wait_until
from tests.support.browser import Browser

pytestmark = [pytest.mark.airflow, pytest.mark.browser]
PAGE = "/calendar-timetable/"
DAGS = [{"dag_id": f"report_{n}", "dag_display_name": f"Report <{n}>"} for n in range(9)]
ADVICE = {
    "advice": [
        {
            "kind": "stagger",
            "dags": DAGS,
            "text": "9 DAGs are due in the same minute, as pool work gets fullest",
            "gain": {
                "what": "slots of 4 of pool work asked for at once, at most",
                "before": 9,
                "after": 3,
            },
            "certainty": {
                "level": "some",
                "runs": 12,
                "weeks": 2,
                "text": "some runs: 12 of each DAG",
            },
            "evidence": ["due together 14 times in two weeks"],
            "python": [
                {"dag_id": dag["dag_id"], "code": "stagger=timedelta(hours=1),"} for dag in DAGS
            ],
            "command": None,
        },
        {
            "kind": "duration",
            "dags": DAGS[:1],
            "text": "report_0 takes up to 2 h, and its time closes sooner",
            "gain": {"what": "runs of 20 that end after time closes", "before": 7, "after": 0},
            "certainty": {"level": "many", "runs": 40, "weeks": None, "text": "many runs: 40"},
            "evidence": [f"fact {n}" for n in range(6)],
            "python": [],
            "command": "calendar-timetable place --out placement.toml",
        },
    ],
    "known_dags": 11,
    "unknown_dags": 1,
    "partial": False,
    "left_out": 3,
}


@pytest.fixture
def advised(browser: Browser) -> Iterator[Browser]:
    with ExitStack() as answers:
        answers.enter_context(browser.answering("api/advice", ADVICE))
        yield browser


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1500, 1000), (390, 800)])
def test_advice_is_readable(advised: Browser, theme: str, size: tuple[int, int]) -> None:
    advised.open(f"{PAGE}?view=advice", theme=theme, zone="UTC", size=size)
    cards = advised.texts(".ct-advice")
    assert len(cards) == 2
    for part in ("9 DAGs are due in the same minute", "9 → 3", "some runs: 12 of each DAG"):
        assert part in cards[0], part
    assert "Report <0>" in cards[0] and "and 5 more" in cards[0]
    assert "stagger=timedelta(hours=1)," in cards[0]
    assert "7 → 0" in cards[1] and "calendar-timetable place" in cards[1]
    assert "3 more" in advised.text(".ct-advice-left")
    assert advised.sideways() == 0
    assert advised.violations() == []


def test_the_key_v_leads_to_it_and_nothing_is_changed(advised: Browser) -> None:
    advised.open(PAGE, zone="UTC", size=(1500, 1000))
    advised.press("v")
    wait_until("the view", lambda: "view=advice" in advised.path())
    assert "Nothing changes by itself" in advised.text(".ct-load-known")
    advised.run("document.querySelector('.ct-advice summary').focus()")
    advised.press(Keys.ENTER)


def test_without_advice_it_says_why(browser: Browser) -> None:
    none = ADVICE | {"advice": [], "left_out": 0, "known_dags": 0}
    with browser.answering("api/advice", none):
        browser.open(f"{PAGE}?view=advice", zone="UTC", size=(1500, 1000))
        assert "it needs five successful runs" in browser.text("section[aria-label='Advice']")
        assert browser.violations() == []

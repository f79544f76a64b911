"""The names by which people and Airflow know this: docs/install.md lists those that there are."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

from calendar_timetable.config import SECTION, URL_PREFIX
from calendar_timetable.plugin import CalendarSchedulePlugin
from calendar_timetable.provider import CONFIG, get_provider_info
from calendar_timetable.web.store import SubscriptionsDB

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DISTRIBUTION, PACKAGE, COMMAND, PLUGIN, PAGE = (
    "airflow-calendar-timetable",
    "calendar_timetable",
    "calendar-timetable",
    "calendar_schedule",
    "Upcoming runs",
)


def test_each_thing_has_one_name() -> None:
    assert {PROJECT["name"], get_provider_info()["package-name"]} == {DISTRIBUTION}
    assert get_provider_info()["name"] == "Calendar Timetable"
    assert {SECTION, *CONFIG} == {PACKAGE}
    assert SubscriptionsDB.version_table_name.endswith(PACKAGE)
    assert PROJECT["scripts"].keys() == {COMMAND}
    assert f"/{COMMAND}" == URL_PREFIX
    assert PROJECT["entry-points"]["airflow.plugins"].keys() == {CalendarSchedulePlugin.name}
    assert CalendarSchedulePlugin.name == PLUGIN, "DAGs name it in templates: it stays"
    assert (ROOT / "plugins" / f"{PLUGIN}.py").exists()
    plugin = CalendarSchedulePlugin()
    assert {each["name"] for each in [*plugin.fastapi_apps, *plugin.react_apps]} == {PAGE}
    assert json.loads((ROOT / "ui" / "package.json").read_text())["name"].startswith(COMMAND)


def test_the_page_lists_them() -> None:
    table = (ROOT / "docs" / "install.md").read_text().split("## Its names")[1].split("##")[0]

    assert [f"`{n}`" in table for n in (DISTRIBUTION, PACKAGE, COMMAND, PLUGIN)] == [True] * 4
    assert f"*{PAGE}*" in table


def test_no_page_spells_a_name_otherwise() -> None:
    wrong = re.compile(
        r"macros\.(?!calendar_schedule\.)\w*calendar\w*|"
        r"pip install '?\"?(?:apache-)?(?:calendar[-_]timetable|airflow_calendar)|"
        r"\[calendar-timetable\]"
    )
    pages = [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")]
    found = {page.name: hits for page in pages if (hits := wrong.findall(page.read_text()))}

    assert len(pages) > 20
    assert found == {}

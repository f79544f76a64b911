"""An Airflow home of the tests' own, made before anything imports Airflow and removed at the end."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from typing import Any

import pytest

_HOME = tempfile.mkdtemp(prefix="calendar-timetable-tests-")
os.environ |= {
    "AIRFLOW_HOME": _HOME,
    "AIRFLOW__CORE__LOAD_EXAMPLES": "false",
    "AIRFLOW__CORE__UNIT_TEST_MODE": "false",
    "AIRFLOW__CALENDAR_TIMETABLE__ALLOW_PRIVATE_NETWORKS": "True",  # the tests' servers are on this host
    "CALENDAR_TIMETABLE_CACHE": f"{_HOME}/calendar-cache",
}


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With ``-n``, tests that share a running Airflow go to the same worker, and other tests go by file."""
    from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

    class ByAirflow(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            file, _, test = nodeid.partition("::")
            shared = re.search(r"\[(sqlite|postgres)\b", test) or re.match("tests/(web|examples/test_runs)", file)
            return shared.group() if shared else file

    return ByAirflow(config, log)


def pytest_unconfigure(config: pytest.Config) -> None:
    shutil.rmtree(_HOME, ignore_errors=True)

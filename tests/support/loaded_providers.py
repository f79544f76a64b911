"""Imports what children that speak to Google and Microsoft do; see ``forked_children.py``."""

from __future__ import annotations

import os
from contextlib import suppress
from importlib import import_module

# As such a child sets them before it imports Airflow.
os.environ |= {
    "AIRFLOW_CONFIG": os.devnull,
    "AIRFLOW_HOME": os.devnull,
    "_AIRFLOW__AS_LIBRARY": "1",
}

for _name in (
    "airflow.providers.google.suite.hooks.calendar",
    "airflow.providers.microsoft.azure.hooks.msgraph",
    "azure.core.exceptions",
    "azure.identity.aio",
    "googleapiclient.errors",
    "kiota_http.middleware.options",
    "calendar_timetable.calendars.sources.google",
    "calendar_timetable.calendars.sources.microsoft",
):
    with suppress(ImportError):
        import_module(_name)

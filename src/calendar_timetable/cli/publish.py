"""``calendar-timetable publish``: writes the runs of this Airflow into a calendar that people share."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from rich.console import Console

from calendar_timetable.cli.output import print_json
from calendar_timetable.planning.errors import InvalidArgument


def add_publish(command: argparse.ArgumentParser) -> None:
    """The options of :func:`publish`."""
    command.add_argument("--to", metavar="CONNECTION[/CALENDAR]", help="default: [calendar_timetable] publish_to")
    command.add_argument("--scope", help="all, tag:NAME or dag:ID (default: [calendar_timetable] publish_scope)")
    command.add_argument("--remove", action="store_true", help="remove what was published, and write nothing")


def publish(options: argparse.Namespace, out: Console) -> int:
    """Write planned and past runs into a CalDAV or Google calendar; only events that this Airflow wrote are touched."""
    from airflow.configuration import conf
    from airflow.utils.session import create_session

    from calendar_timetable.calendars.options import option
    from calendar_timetable.web import publish as publishing
    from calendar_timetable.web.events import Site
    from calendar_timetable.web.store import NO_TABLE, has_table, site_key
    from calendar_timetable.web.target import PublishingFailed

    calendar = options.to or option("publish_to")
    if not calendar:
        remedy = "name the Airflow Connection of a calendar there, or with --to"
        raise InvalidArgument("[calendar_timetable] publish_to", calendar, remedy)
    base_url = conf.get("api", "base_url", fallback="") or ""
    if not base_url:
        raise InvalidArgument("[api] base_url", base_url, "set it: events link to it")
    with create_session() as session:
        if not has_table(session):
            raise PublishingFailed(NO_TABLE)
        site = Site(base_url, site_key(session))
    if options.remove:
        done = publishing.publish_into(calendar, site, (), 0)
    else:
        with create_session() as session:
            rows, now, since = publishing.rows_to_publish(session, options.scope or option("publish_scope") or "all")
        done = publishing.publish_into(calendar, site, publishing.wanted(rows, site, now), since)
    if options.json:
        print_json(out, asdict(done))
    else:
        out.print(f"{done.written} written, {done.removed} removed, {done.unchanged} unchanged, {done.left} left")
    return int(bool(done.left))

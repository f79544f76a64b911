"""``calendar-timetable publish``: writes the runs of this Airflow into a calendar people share.

And ``calendar-timetable subscriptions``: whose addresses of feeds there are, and taking them away.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from rich.console import Console

from calendar_timetable import metrics
from calendar_timetable.cli import watching
from calendar_timetable.cli.output import format_clock, print_json, show_rows, utc
from calendar_timetable.cli.values import Misused
from calendar_timetable.exceptions import InvalidArgument
from calendar_timetable.planning import zones

if TYPE_CHECKING:
    from calendar_timetable.publishing.target import Mode, PublishResult
    from calendar_timetable.runs.rows import RunRow
    from calendar_timetable.runtime.calendar_edits import WatchedDag

_NAMED = 5  # DAGs that one message names


def add_publish(command: argparse.ArgumentParser) -> None:
    """Add the options of :func:`publish`."""
    command.add_argument(
        "--to", metavar="CONNECTION[/CALENDAR]", help="default: [calendar_timetable] publish_to"
    )
    command.add_argument(
        "--scope", help="all, tag:NAME or dag:ID (default: [calendar_timetable] publish_scope)"
    )
    command.add_argument(
        "--paused", action="store_true", help="also runs of paused DAGs, which do not start"
    )
    command.add_argument(
        "--dry-run", action="store_true", help="show what would be written and removed"
    )
    command.add_argument(
        "--force", action="store_true", help="remove more than half of the events that are there"
    )
    command.add_argument(
        "--remove", action="store_true", help="remove what was published, and write nothing"
    )
    command.add_argument(
        "--watch",
        action="store_true",
        help="go on until stopped, and tell which runs an edit of a calendar moved",
    )
    watching.add_every(command, "publish")


def publish(options: argparse.Namespace, out: Console) -> int:
    """Write planned and past runs into a CalDAV or Google calendar; only events that this Airflow wrote are touched."""  # noqa: E501
    from airflow.configuration import conf
    from airflow.utils.session import create_session

    from calendar_timetable.config import option
    from calendar_timetable.publishing import publish as publishing
    from calendar_timetable.publishing.target import Planned, PublishingFailed
    from calendar_timetable.runs.calendar_events import Site
    from calendar_timetable.web.store import NO_TABLE, has_table, site_key

    if options.watch:
        return _watch(options)
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
    batch = publishing.RowsToPublish([], 0, Planned(0), [])
    scope = options.scope or option("publish_scope") or "all"
    if watching.is_watched():
        metrics.set_up()
        watching.tell_what_moved(
            "publish", partial(_watched, scope, paused=options.paused), options, out
        )
    if not options.remove:
        with create_session() as session:
            batch = publishing.rows_to_publish(session, scope, paused=options.paused)
    mode: Mode = (
        "look" if options.dry_run else "force" if options.force or options.remove else "write"
    )
    events = publishing.desired_events(batch.rows, site, batch.now)
    result = publishing.publish_into(calendar, site, events, batch.planned, mode)
    if result.refused:
        why = f"{result.refused} events would be removed, more than half of those that are there"
        raise PublishingFailed(f"{why}; look with --dry-run, and add --force if that is right")
    if options.json:
        print_json(out, asdict(result))
    elif watching.is_watched() and not (result.written or result.removed or result.left):
        pass  # nothing to tell, a minute after the last time
    elif options.dry_run:
        _show(result, {site.uid(row): row for row in batch.rows}, out)
    else:
        left_text = f", {result.left} left for the next time" if result.left else ""
        out.print(
            f"{result.written} written, {result.removed} removed, "
            f"{result.unchanged} unchanged{left_text}"
        )
    if batch.unread:
        some = ", ".join(batch.unread[:_NAMED]) + (", …" if len(batch.unread) > _NAMED else "")
        print(
            "calendar-timetable: no event is removed, as the schedules of "
            f"{len(batch.unread)} DAGs cannot be read: {some}",
            file=sys.stderr,
        )
    return int(bool(result.left or batch.unread))


def _watch(options: argparse.Namespace) -> int:
    if options.dry_run or options.remove:
        raise Misused("--watch goes on publishing: leave out --dry-run and --remove")
    arguments = [f"--{name}" for name in ("paused", "force", "json") if getattr(options, name)]
    for name in ("to", "scope"):
        value = getattr(options, name)
        arguments += [f"--{name}", value] if value else []
    return watching.watch(["publish", *arguments], options.every)


def _watched(scope: str, *, paused: bool) -> Iterable[WatchedDag]:
    """Return what is watched of the DAGs in *scope*, as Airflow's database has them."""
    from airflow.utils.session import create_session

    from calendar_timetable.publishing.publish import dags_to_publish
    from calendar_timetable.runs.stored_schedules import read_schedules
    from calendar_timetable.runtime import calendar_edits

    with create_session() as session:
        dags = dags_to_publish(session, scope, paused=paused)
        schedules = read_schedules(session, [dag.dag_id for dag in dags])
    return calendar_edits.watched_stored(dags, schedules)


def _show(result: PublishResult, rows: dict[str, RunRow], out: Console) -> None:
    """Print what would be done."""
    for uid in result.to_write:
        out.print(f"write   {_clock(rows[uid].at)}  {rows[uid].dag.name}", soft_wrap=True)
    for start in result.to_remove:
        out.print(f"remove  {_clock(start)}")
    out.print(
        f"{len(result.to_write)} to write, {len(result.to_remove)} to remove, "
        f"{result.unchanged} unchanged."
    )


def _clock(instant: float) -> str:
    return f"{format_clock(zones.to_datetime(instant), ZoneInfo('UTC'))} UTC"


def add_subscriptions(command: argparse.ArgumentParser) -> None:
    """Add the options of :func:`subscriptions`."""
    command.add_argument("--owner", metavar="NAME", help="only those of this user")
    command.add_argument(
        "--revoke", metavar="ID", action="append", default=[], help="take this one away; may repeat"
    )
    command.add_argument(
        "--revoke-all", action="store_true", help="take all away, or with --owner all of that user"
    )


def subscriptions(options: argparse.Namespace, out: Console) -> int:
    """List the subscriptions of this Airflow, and revoke them: until then whoever has its address reads the feed."""  # noqa: E501
    from airflow.utils.session import create_session

    from calendar_timetable.web import subscriptions as web_subscriptions
    from calendar_timetable.web.store import NO_TABLE, has_table

    with create_session() as session:
        if not has_table(session):
            raise Misused(NO_TABLE)
        entries = web_subscriptions.read_subscriptions(session, options.owner)
        ids = {subscription.id for subscription, _ in entries}
        for wrong in set(options.revoke) - ids:
            raise InvalidArgument(
                "--revoke", wrong, "there is no such subscription; without options all are listed"
            )
        revoked = ids if options.revoke_all else set(options.revoke)
        records = [
            {
                "id": subscription.id,
                "owner": name,
                "about": subscription.kind
                if subscription.value is None
                else f"{subscription.kind} {subscription.value}",
                "expires_at": utc(subscription.expires_at),
                "last_fetched_at": subscription.last_fetched_at
                and utc(subscription.last_fetched_at),
                "revoked": subscription.id in revoked,
            }
            for subscription, name in entries
        ]
        rows = []
        for subscription, name in entries:
            fetched = (
                "never"
                if subscription.last_fetched_at is None
                else format_clock(subscription.last_fetched_at, ZoneInfo("UTC"))
            )
            about = (
                subscription.kind
                if subscription.value is None
                else f"{subscription.kind} {subscription.value}"
            )
            until = format_clock(subscription.expires_at, ZoneInfo("UTC"))
            rows.append(
                (
                    subscription.id,
                    name,
                    about,
                    until,
                    fetched,
                    "revoked" if subscription.id in revoked else "",
                )
            )
            if subscription.id in revoked:
                web_subscriptions.revoke_for(session, subscription, name)
    if options.json:
        print_json(out, records)
    elif entries:
        show_rows(out, ("Id", "Owner", "About", "Until (UTC)", "Last fetched (UTC)", ""), rows)
    else:
        out.print("There are no subscriptions.")
    return 0

"""``calendar-timetable subscriptions``: whose addresses of feeds there are, and taking them away."""

from __future__ import annotations

import argparse
from zoneinfo import ZoneInfo

from rich.console import Console

from calendar_timetable.cli.output import clock, print_json, show_rows, utc
from calendar_timetable.cli.values import Misused
from calendar_timetable.exceptions import InvalidArgument


def add_subscriptions(command: argparse.ArgumentParser) -> None:
    """The options of :func:`subscriptions`."""
    command.add_argument("--owner", metavar="NAME", help="only those of this user")
    command.add_argument("--revoke", metavar="ID", action="append", default=[], help="take this one away; may repeat")
    command.add_argument("--revoke-all", action="store_true", help="take all away, or with --owner all of that user")


def subscriptions(options: argparse.Namespace, out: Console) -> int:
    """List every subscription of this Airflow, and revoke: whoever has a feed's address reads it until then."""
    from airflow.utils.session import create_session

    from calendar_timetable.web import subscriptions as kept
    from calendar_timetable.web.store import NO_TABLE, has_table

    with create_session() as session:
        if not has_table(session):
            raise Misused(NO_TABLE)
        found = kept.known(session, options.owner)
        ids = {one.id for one, _ in found}
        for wrong in set(options.revoke) - ids:
            raise InvalidArgument("--revoke", wrong, "there is no such subscription; without options all are listed")
        revoked = ids if options.revoke_all else set(options.revoke)
        told = [
            {
                "id": one.id,
                "owner": name,
                "about": one.kind if one.value is None else f"{one.kind} {one.value}",
                "expires_at": utc(one.expires_at),
                "last_fetched_at": one.last_fetched_at and utc(one.last_fetched_at),
                "revoked": one.id in revoked,
            }
            for one, name in found
        ]
        shown = []
        for one, name in found:
            fetched = "never" if one.last_fetched_at is None else clock(one.last_fetched_at, ZoneInfo("UTC"))
            about = one.kind if one.value is None else f"{one.kind} {one.value}"
            until = clock(one.expires_at, ZoneInfo("UTC"))
            shown.append((one.id, name, about, until, fetched, "revoked" if one.id in revoked else ""))
            if one.id in revoked:
                kept.revoke_for(session, one, name)
    if options.json:
        print_json(out, told)
    elif found:
        show_rows(out, ("Id", "Owner", "About", "Until (UTC)", "Last fetched (UTC)", ""), shown)
    else:
        out.print("There are no subscriptions.")
    return 0

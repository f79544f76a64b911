"""Whom the cache folder is believed from, and what of a feed goes on.

What a digest tells, and what of a feed reaches people and DAGs.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from airflow.exceptions import AirflowTimetableInvalid

from calendar_timetable import Calendar, CalendarTimetable, Weekly
from calendar_timetable.calendars import codec as wire
from calendar_timetable.calendars.feed import cache as cached
from calendar_timetable.calendars.feed import health
from calendar_timetable.calendars.feed.cache import keyed_digest
from calendar_timetable.calendars.net import sealing
from calendar_timetable.calendars.sources.base import FetchFailed
from calendar_timetable.calendars.sources.ics import FileSource
from calendar_timetable.calendars.sources.lookup import connected_source, source_for
from calendar_timetable.cli import main
from calendar_timetable.exceptions import InvalidArgument
from calendar_timetable.planning import codec
from calendar_timetable.planning.time_sets import CalendarSpans
from tests.support.ics import event, feed
from tests.support.one_meeting import GOOD, known
from tests.support.origin import SECRET, Origin

# --- the cache folder ---------------------------------------------------------------------------


def test_what_lies_above_the_folder_is_for_its_owner_too(
    origin: Origin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "a" / "b" / "cache"
    monkeypatch.setenv("CALENDAR_TIMETABLE_CACHE", str(place))
    before = os.umask(0)
    try:
        origin.serve(GOOD)
        known(Calendar(origin.url()))
    finally:
        os.umask(before)
    assert [
        f"{each.stat().st_mode & 0o777:o}" for each in (place, place.parent, place.parent.parent)
    ] == ["700"] * 3


def test_a_link_of_another_user_is_refused(
    origin: Origin, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who may point it anywhere chooses which folder of ours is written."""
    ours = cache.with_name("ours")
    ours.mkdir(mode=0o700)
    cache.symlink_to(ours)
    origin.serve(GOOD)
    assert len(known(Calendar(origin.url())).known) == 1
    real = Path.lstat

    def lstat(path: Path) -> os.stat_result:
        found = list(real(path))
        found[4] += 4321 if path == cache else 0  # st_uid
        return os.stat_result(found)

    monkeypatch.setattr(Path, "lstat", lstat)
    with pytest.raises(InvalidArgument, match="it is another user's link"):
        known(Calendar(origin.url()))


def test_a_folder_that_somebody_makes_meanwhile_is_looked_at_again(
    origin: Origin, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was not there at the first look.

    Then another user made it, and anybody may write there.
    """
    real = Path.mkdir

    def mkdir(
        path: Path, mode: int = 0o777, *, parents: bool = False, exist_ok: bool = False
    ) -> None:
        if path == cache and not path.exists():
            real(path)
            path.chmod(0o777)
        real(path, mode, parents=parents, exist_ok=exist_ok)

    monkeypatch.setattr(Path, "mkdir", mkdir)
    origin.serve(GOOD)
    with pytest.raises(InvalidArgument, match="others may write there"):
        known(Calendar(origin.url()))
    assert list(cache.iterdir()) == []


def test_what_stands_in_a_folder_that_is_not_trusted_is_not_told(
    origin: Origin, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    origin.serve(GOOD)
    known(Calendar(origin.url()))
    (name,) = cached.files()
    assert health.health_of(name) is not None
    cache.chmod(0o777)
    with pytest.raises(InvalidArgument, match="others may write there"):
        health.health_of(name)
    with pytest.raises(InvalidArgument, match="others may write there"):
        cached.files()
    assert main(["sync", "--status"]) == 2
    assert "127.0.0.1" not in capsys.readouterr().out


def test_the_state_lets_nobody_guess_a_password(origin: Origin, cache: Path) -> None:
    """Its digest of the credentials is made with a key of this folder's own."""
    origin.serve(GOOD)
    address = origin.url().replace("http://", "http://bob:sunshine1@")
    known(Calendar(address))
    (state,) = (path for path in cache.glob("*.json") if len(path.suffixes) == 1)
    asked_as = json.loads(state.read_text())["asked_as"]
    secret = source_for(address).secret
    assert asked_as[:16] not in (
        hashlib.sha256(secret.encode()).hexdigest()[:16],
        cached.body_digest(secret.encode())[:16],
    )
    assert asked_as[:16] == keyed_digest(secret)[:16]
    (cache / "key").unlink()
    assert keyed_digest(secret)[:16] != asked_as[:16]
    assert (cache / "key").stat().st_mode & 0o777 == 0o600


def test_a_password_is_stretched_before_it_seals() -> None:
    assert sealing.unseal(
        sealing.seal({"a": 1}, sealing.stretched("sunshine1")),
        sealing.stretched("sunshine1"),
    ) == {"a": 1}
    sealed = sealing.seal({"a": 1}, sealing.stretched("sunshine1"))
    assert sealing.unseal(sealed, "sunshine1") == {}
    assert (
        sealing.stretched("sunshine1")
        == hashlib.scrypt(
            b"sunshine1", salt=b"calendar_timetable", n=2**14, r=8, p=1, dklen=32
        ).hex()
    )


def test_a_big_folder_is_looked_through_once(
    origin: Origin, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin.serve(GOOD)
    for number in range(5):
        known(Calendar(origin.url(f"/{number}.ics")))
    looks = []
    real = Path.iterdir

    def iterdir(path: Path) -> Iterator[Path]:
        looks.append(path)
        return iter(list(real(path)))

    monkeypatch.setattr(Path, "iterdir", iterdir)
    told = health.health_reports()
    assert (len(told), {one.zone for one in told}) == (5, {"UTC"})
    assert looks == [cache]


# --- files of Connections -------------------------------------------------------------------------


def test_a_pipe_is_no_calendar_and_holds_nobody(tmp_path: Path) -> None:
    pipe = tmp_path / "team.ics"
    os.mkfifo(pipe)
    for place in (pipe, tmp_path, Path("/dev/zero")):
        with pytest.raises(FetchFailed, match="it is no file|is a directory"):
            FileSource(place, "team").fetch()


def test_files_of_connections_can_be_forbidden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "team.ics"
    file.write_bytes(GOOD)
    monkeypatch.setenv("AIRFLOW_CONN_TEAM", json.dumps({"conn_type": "ical", "host": str(file)}))
    option = "AIRFLOW__CALENDAR_TIMETABLE__CONNECTION_FILES"
    assert connected_source("team").fetch() is not None
    monkeypatch.setenv(option, "False")
    with pytest.raises(FetchFailed, match="Host is a file, which .* connection_files forbids"):
        connected_source("team")
    assert source_for(str(file)).fetch() is not None, (
        "who writes a DAG file may read files all the same"
    )
    monkeypatch.setenv(option, "perhaps")
    with pytest.raises(InvalidArgument, match="write True or False"):
        connected_source("team")


# --- what of a feed goes on -----------------------------------------------------------------------


def test_titles_in_a_dag_are_bounded(tmp_path: Path) -> None:
    """Whoever may write into a calendar would else fill Airflow's database, at each edit anew."""
    team, events = tmp_path / "team.ics", []
    for number in range(4):
        events += [
            event(
                f"UID:{number}",
                f"SUMMARY:{number}{'x' * 400}",
                "DTSTART:20240302T000000Z",
                "DURATION:PT5M",
                f"RRULE:FREQ=MINUTELY;INTERVAL={20 + number};COUNT=1400",
            )
        ]
    team.write_bytes(feed(*events))
    found = known(Calendar(team, show_titles=True))
    assert len(found.titles) > 2 * codec.MOST_TITLES
    assert {len(text) for _, _, text in found.titles} == {80}
    data = codec.encode(found)
    assert len(data["titles"]) == codec.MOST_TITLES
    assert len(json.dumps(data)) < 300_000
    again = codec.decode(data)
    assert isinstance(again, CalendarSpans) and again.titles == found.titles[: codec.MOST_TITLES]
    wide = CalendarSpans(
        "team", found.known, tuple((low, high, "\N{SNOWMAN}" * 80) for low, high, _ in found.titles)
    )
    assert (
        len(json.dumps(codec.encode(wide), ensure_ascii=False).encode())
        < codec.MOST_BYTES + 20_000 + 50 * 2_000
    )


@pytest.mark.parametrize(
    "make",
    [
        lambda secret: CalendarTimetable(
            "0 2 * * *", windows=Weekly(f"https://u:hunter2@127.0.0.1:9/{secret}?token=x")
        ),
        lambda secret: CalendarTimetable(
            "0 2 * * *", windows=Weekly(f"host.example/private/{secret}/x?token={secret}")
        ),
        lambda secret: CalendarTimetable(
            "0 2 * * *", windows=Weekly(f"mon {secret}.example/{secret}")
        ),
        lambda secret: CalendarTimetable(f"host.example/private/{secret}?token={secret}"),
        lambda secret: CalendarTimetable(
            "0 2 * * *", timezone=f"host.example/private/{secret}?token={secret}"
        ),
        lambda secret: CalendarTimetable(
            "0 2 * * *", windows=[f"team/{secret}?token={secret}", None]
        ),
        lambda secret: CalendarTimetable("0 2 * * *", windows=f"team/{secret}?token={secret}"),
    ],
)
def test_an_import_error_tells_no_secret(make: object) -> None:
    """Not even where the remedy quotes what it was given."""
    assert callable(make)
    with pytest.raises((InvalidArgument, AirflowTimetableInvalid)) as raised:
        make("S3CR3T").validate()
    told = str(raised.value).lower()
    assert "hunter2" not in told and not re.search(r"/s3cr3t|=s3cr3t", told), told


@pytest.mark.parametrize(
    "text", [f"host.example/private/{SECRET}/basic.ics?token={SECRET}", f"mon {SECRET}?token=x/y"]
)
def test_the_command_line_tells_no_secret(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["preview", "0 2 * * *", "--window", text]) == 2
    told = capsys.readouterr().err
    assert f"/{SECRET}" not in told and f"={SECRET}" not in told


def test_a_remedy_stays_a_remedy() -> None:
    for remedy in (
        "write it as https://…",
        "write True, False, or networks such as 10.20.0.0/16, fd12:3456::/32",
        "write days and, if not whole days, times: 'mon-fri 19:00-07:00'",
        "give a zone such as Europe/Berlin; write it as 2026-11-28T02:00+01:00",
        "'*/5 * * * ?' is no cron; give '/srv/calendars/team.ics' or './team.ics'",
        "give google_cloud_default/team@group.calendar.google.com",
    ):
        assert InvalidArgument("x", 1, remedy).remedy == remedy


@pytest.mark.parametrize(
    "address", ["https://h.example/team.ics", "https://token@h.example/x.ics", "webcal://h/?h=9f8e"]
)
def test_every_address_is_sealed_where_there_is_a_key(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", "key")
    encoded = wire.encode(Calendar(address).in_role(deny=True), hide=True)
    assert "h.example" not in json.dumps(encoded) and "9f8e" not in json.dumps(encoded)
    assert wire.decode(encoded) == Calendar(address).in_role(deny=True)


def test_a_terminal_is_not_steered_by_a_feed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    team = tmp_path / "team.ics"
    bad = "\x9b31mred\x85next\u202eevil"
    soon = event(
        "UID:soon",
        f"SUMMARY:{bad}",
        "DTSTART:20240310T000000Z",
        "DURATION:PT2H",
        "RRULE:FREQ=DAILY",
    )
    broken = event(f"UID:{bad}", "DTSTART:20240101T000000Z", "RRULE:FREQ=SECONDLY")
    team.write_bytes(feed(soon, broken))
    for arguments in (["check", str(team)], ["check", str(team), "--json"]):
        out = io.StringIO()
        monkeypatch.setattr("sys.stdout", out)
        main(arguments)
        told = out.getvalue()
        assert "red" in told and not [char for char in told if char in "\x85\x9b\u202e"]

"""Commands that ask Airflow's database, where there is none, or one without tables."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from calendar_timetable.cli import main

COMMANDS = [
    "overrides",
    "impact --from 2099-11-29T20:00 --to 2099-11-30T00:00",
    "find --length 4h --within 14d",
    "place",
    "recommend",
    "backtest --cron",
]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """What the commands ask instead of the database that Airflow is set to."""
    address: str = request.param

    @contextmanager
    def create_session(**_: object) -> Iterator[Session]:
        engine = create_engine(address)
        try:
            with Session(engine) as session:
                yield session
        finally:
            engine.dispose()

    monkeypatch.setattr("airflow.utils.session.create_session", create_session)


@pytest.mark.parametrize("asked", ["sqlite://"], indirect=True)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_database_without_tables(
    command: str, asked: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command.split()) == 1
    said = capsys.readouterr()
    assert not said.out
    assert "Airflow's database cannot be read: no such table" in said.err
    assert "airflow db migrate" in said.err
    assert "Traceback" not in said.err
    assert "SELECT" not in said.err


@pytest.mark.parametrize(
    "asked", ["postgresql+psycopg2://airflow:s3cret@127.0.0.1:9/airflow"], indirect=True
)
def test_a_server_that_is_not_there(asked: None, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("psycopg2")
    assert main(["recommend"]) == 1
    said = capsys.readouterr().err
    assert "cannot be read" in said
    assert "refused" in said
    assert "s3cret" not in said


@pytest.mark.parametrize("asked", ["sqlite:////nowhere/airflow.db"], indirect=True)
def test_a_file_that_cannot_be_opened(asked: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recommend"]) == 1
    assert "unable to open database file" in capsys.readouterr().err

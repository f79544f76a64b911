"""The placement file: what is written is read, and what cannot be read puts nothing anywhere."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calendar_timetable.exceptions import InvalidArgument
from calendar_timetable.planning.plan import Placement
from calendar_timetable.schedule.placement_file import as_toml, placement_of, read

OPTION = "AIRFLOW__CALENDAR_TIMETABLE__PLACEMENT"


@given(
    placements=st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30),
        st.builds(
            Placement,
            st.integers(0, 31 * 86_400),
            st.text(st.characters(exclude_categories=["Cs"]), max_size=200),
            st.just(0),
        ),
        max_size=5,
    )
)
def test_what_is_written_is_read(
    placements: dict[str, Placement], tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.mktemp("placement") / "placement.toml"
    file.write_text(as_toml(placements), encoding="utf-8", newline="")

    assert read(file) == placements


def test_a_file_that_people_can_review() -> None:
    text = as_toml({"train b": Placement(12_000, 'pool "gpu" is busier'), "train_a": Placement(0)})

    assert text.splitlines()[2:] == [
        "version = 1",
        "",
        '[dags."train b"]',
        'delay = "03:20:00"',
        'why = "pool \\"gpu\\" is busier"',
        "",
        '[dags."train_a"]',
        'delay = "00:00:00"',
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("version = 2\n", "version of"),
        ("dags = 1\nversion = 1\n", "dags of"),
        ("version = ", "this is no TOML"),
        ("\x00", "this is no TOML"),
        ("a = " + "[" * 20_000, "this is no TOML"),
        ("a = " + "9" * 5_000, "this is no TOML"),
        ("version = true", "version of"),
    ],
)
def test_a_file_that_cannot_be_used_names_what_is_wrong(
    text: str, said: str, tmp_path: Path
) -> None:
    file = tmp_path / "placement.toml"
    file.write_text(text)

    with pytest.raises(InvalidArgument, match=said):
        read(file)


@pytest.mark.parametrize("delay", ['"3 h"', "12", '"-01:00:00"', '"00:99:00"', "{ a = 1 }"])
def test_one_bad_entry_leaves_the_others(
    delay: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "placement.toml"
    file.write_text(f'version = 1\n[dags.bad]\ndelay = {delay}\n[dags.good]\ndelay = "01:00:00"\n')

    assert read(file) == {"good": Placement(3600)}
    assert "DAG bad is not placed: dags.bad.delay" in caplog.text
    assert 'as "03:20:00"' in caplog.text


def test_the_file_of_the_deployment_is_read_again_when_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Written, edited, broken, mended and taken away; each is told once, not for every DAG."""
    file = tmp_path / "placement.toml"
    monkeypatch.setenv(OPTION, str(file))
    with caplog.at_level(logging.WARNING):
        assert [placement_of(f"dag_{n}") for n in range(3)] == [None] * 3
        assert caplog.text.count("No such file") == 1
        for number, (delay, expected) in enumerate(
            [("01:00:00", 3600), ("02:00:00", 7200), ("broken", None), ("00:30:00", 1800)]
        ):
            file.write_text(as_toml({"dag": Placement(0)}).replace("00:00:00", delay))
            os.utime(file, (number, number))
            placement = placement_of("dag")
            assert (placement and placement.delay) == expected
        file.unlink()
        assert placement_of("dag") is None
    monkeypatch.setenv(OPTION, "~nobody_has_this_home/placement.toml")
    assert placement_of("dag") is None
    monkeypatch.delenv(OPTION)
    assert placement_of("dag") is None

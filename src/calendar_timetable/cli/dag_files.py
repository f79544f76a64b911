"""DAG files, read as Airflow reads them, and the schedules of their DAGs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calendar_timetable.cli import values
from calendar_timetable.cli.output import progress
from calendar_timetable.config import environment_variable
from calendar_timetable.exceptions import InvalidArgument
from calendar_timetable.planning import zones

if TYPE_CHECKING:
    from airflow.dag_processing.bundles.base import BaseDagBundle
    from airflow.dag_processing.dagbag import BundleDagBag

    from calendar_timetable.timetable import CalendarTimetable


def bags(place: str | None) -> list[BundleDagBag]:
    """Return the DAG file or files at *place*, read as Airflow reads them.

    Without *place* those of every DAG bundle of this Airflow. Raises :class:`InvalidArgument` where
    there is no such place, or Airflow cannot walk through it.
    """
    from airflow.dag_processing.dagbag import BundleDagBag

    if place is None:
        return [BundleDagBag(b.path, bundle_path=b.path, bundle_name=b.name) for b in _bundles()]
    path = Path(place).absolute()
    if not path.exists():
        raise InvalidArgument("DAG files", place, "there is no such file or folder")
    root = path if path.is_dir() else path.parent
    try:
        return [BundleDagBag(path, bundle_path=root, bundle_name="")]
    except RuntimeError as error:  # of a virtual environment in it, whose lib64 is a link to lib
        remedy = f"{error} Name a file, or keep environments out of that folder"
        raise InvalidArgument("DAG files", place, remedy) from None


def _bundles() -> Iterator[BaseDagBundle]:
    from airflow.dag_processing.bundles.manager import DagBundlesManager

    make: Any = DagBundlesManager
    for bundle in make().get_all_dag_bundles():
        bundle.initialize()
        yield bundle


def calendar_timetable(timetable: Any) -> CalendarTimetable | None:
    """Return *timetable*, or the one inside ``AssetOrTimeSchedule``, if it is ours."""
    from calendar_timetable.timetable import CalendarTimetable

    inner = getattr(timetable, "timetable", timetable)
    return inner if isinstance(inner, CalendarTimetable) else None


def calendars_from_cache_alone() -> AbstractContextManager[None]:
    """Let no calendar be fetched for the time: what the cache folder holds is what they say."""
    return environment_variable("AIRFLOW__CALENDAR_TIMETABLE__FETCH", "external")


def timetable_of(dag: Any) -> CalendarTimetable:
    """Return the schedule of *dag*, straight from its file.

    One that is not ours is returned as it would be inside ours, with nothing in its way. Raises
    :class:`~calendar_timetable.cli.values.Misused` where it has no due times.
    """
    from calendar_timetable.timetable import CalendarTimetable

    plain = getattr(dag.timetable, "timetable", dag.timetable)
    zone = zones.zone_name(dag.timezone)
    return calendar_timetable(dag.timetable) or checked(CalendarTimetable(plain, timezone=zone))


def checked(timetable: CalendarTimetable) -> CalendarTimetable:
    """Return *timetable*.

    Raises :class:`~calendar_timetable.cli.values.Misused` where its arguments make no sense.
    """
    from airflow.exceptions import AirflowTimetableInvalid

    try:
        timetable.validate()
    except AirflowTimetableInvalid as error:
        raise values.Misused(str(error)) from None
    return timetable


def schedule_of(dag_id: str, folder: str | None) -> CalendarTimetable:
    """Return the schedule of a DAG as :func:`timetable_of` has it.

    Raises :class:`InvalidArgument` where the DAG is not found.
    """
    places, errors = [], []
    with progress("Reading DAG files"):
        for bag in bags(folder):
            dag = bag.dags.get(dag_id)
            if dag is not None:
                return timetable_of(dag)
            places.append(str(bag.dag_folder))
            errors += [f"{file}: {error}" for file, error in bag.import_errors.items()]
    failed = f" ({'; '.join(errors)})" if errors else ""
    raise InvalidArgument("--dag-id", dag_id, f"not found in {', '.join(places)}{failed}")

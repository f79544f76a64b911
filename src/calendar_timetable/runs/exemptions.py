"""Exemptions: DAGs that the rules of the deployment leave alone for a time.

Those in force, and those that ended lately, stand in one Airflow Variable: it reaches every process
that reads DAG files, also those of the DAG processor and of workers, which have no database. Who
granted which, and why, is in Airflow's audit log as well, which outlives them.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from calendar_timetable import clock
from calendar_timetable.planning.open_time import DAY
from calendar_timetable.runs.override_reasons import bounded

VARIABLE = "calendar_timetable_exemptions"
GRANTED, ENDED = "calendar_timetable.exempt", "calendar_timetable.end_exemption"  # in the audit log
MOST = 200  # exemptions in force at once, in one Airflow
MOST_EXEMPT_DAYS = 31  # of one
DAYS_KEPT = 7  # after one has ended: work that began in it may finish
_KEPT = 2.0  # seconds that one process goes without reading the Variable again

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Exemption:
    """A DAG is exempt from *since* to *until*, in epoch seconds: *by* whom, and *why*."""

    dag_id: str
    since: int
    until: int
    by: str
    why: str

    def in_force(self, now: float) -> bool:
        """Tell whether it is in force at *now*, in epoch seconds."""
        return self.since <= now < self.until


def encode(exemptions: Iterable[Exemption]) -> str:
    """Return *exemptions* as the value of the Variable."""
    return json.dumps(
        {
            exemption.dag_id: {k: v for k, v in asdict(exemption).items() if k != "dag_id"}
            for exemption in exemptions
        }
    )


def decode(value: str | None) -> dict[str, Exemption]:
    """Return what the Variable says, by DAG id.

    Whoever may write Variables may have written it: what cannot be an exemption is left out.
    """
    try:
        # As texts: a number too long for Python would take all others away.
        entries = json.loads(value or "{}", parse_int=str).items()
    except (ValueError, AttributeError, RecursionError) as error:
        _log.warning("The Variable %s exempts no DAG, as it cannot be read: %s", VARIABLE, error)
        return {}
    exemptions, last = {}, clock.now() + MOST_EXEMPT_DAYS * DAY
    for dag_id, fields in entries:
        try:
            exemption = _exemption(dag_id, fields)
        except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
            _log.warning("The Variable %s does not exempt %r: %r", VARIABLE, dag_id, error)
            continue
        # One that is made longer keeps its beginning; what no clock can hold is none.
        if 0 <= exemption.since < exemption.until <= last:
            exemptions[dag_id] = exemption
    return exemptions


def _exemption(dag_id: str, fields: dict[str, object]) -> Exemption:
    since, until = (int(str(fields[name])) for name in ("since", "until"))
    by, why = (bounded(str(fields.get(name, ""))) for name in ("by", "why"))
    return Exemption(dag_id, since, until, by, why)


_kept: tuple[float, dict[str, Exemption]] | None = None


def of_dag(dag_id: str) -> Exemption | None:
    """Return the exemption of a DAG that is in force or ended lately, as this process can know it.

    Where the Variable cannot be read there is none: time stays closed.
    """
    global _kept  # noqa: PLW0603
    now = clock.now()
    if _kept is None or not 0 <= now - _kept[0] <= _KEPT:
        _kept = now, decode(_read())
    return _kept[1].get(dag_id)


def _read() -> str | None:
    try:
        from airflow.sdk import Variable
        from airflow.sdk.execution_time.cache import SecretCache

        # An exemption that was ended must not live on in Airflow's own cache.
        SecretCache.invalidate_variable(VARIABLE)
        value: str | None = Variable.get(VARIABLE, default=None)
    except Exception:  # noqa: BLE001
        _log.warning("Exemptions of DAGs cannot be read, so none counts", exc_info=True)
        return None
    return value

"""What the REST API answers: the documents of its OpenAPI description."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from calendar_timetable import clock
from calendar_timetable.planning.explain import Kind
from calendar_timetable.planning.plan import Outcome, WhenBlocked
from calendar_timetable.runs.exemptions import MOST_EXEMPT_DAYS
from calendar_timetable.runs.override_reasons import MOST_SAID, How, bounded
from calendar_timetable.runs.rows import RunState

StateOrMove = Literal[RunState, "postponed", "advanced", "combined"]
Texts = Annotated[list[Annotated[str, Field(max_length=200)]], Field(max_length=50)]
MOST_WHAT_IF_DAYS = 62  # of a length in a what-if


def _bounded(seconds: int) -> int:
    if seconds > MOST_WHAT_IF_DAYS * 86400:
        text = (
            f"{seconds} seconds are too long for a what-if: "
            f"give at most {MOST_WHAT_IF_DAYS * 86400}, {MOST_WHAT_IF_DAYS} days"
        )
        raise PydanticCustomError("too_long", "{told}", {"told": text})
    return seconds


def _soon(moment: datetime) -> datetime:
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    now = clock.utc()
    if not now < moment <= now + timedelta(days=MOST_EXEMPT_DAYS):
        text = f"give a time after now, and at most {MOST_EXEMPT_DAYS} days ahead"
        raise PydanticCustomError("until", "{told}", {"told": text})
    return moment.astimezone(UTC)


def _checked_reason(text: str) -> str:
    if not bounded(text):
        raise PydanticCustomError("reason", "say why, in a sentence")
    return bounded(text)


Seconds = Annotated[
    int, Field(ge=0, description=f"At most {MOST_WHAT_IF_DAYS} days"), AfterValidator(_bounded)
]


class Answer(BaseModel):
    """What is sent: every field of it, also one that has a default here."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)


class Wrong(Answer):
    """What is wrong with one field of a question."""

    field: str
    message: str


class Refusal(Answer):
    """Why a question is not answered: each field that is wrong."""

    detail: list[Wrong]


class Collapsed(Answer):
    """How many runs one row of a DAG that runs more often than hourly stands for."""

    count: int
    every_seconds: int


class Blackout(Answer):
    """When a blackout begins: of a calendar, with its event's title where that is shown, or by a rule in its zone."""

    start: datetime
    calendar: str | None = None
    event: str | None = None
    detail: str | None = None
    zone: str | None = None


class Reason(Answer):
    """One reason why a run does not simply start when due. Times are UTC; docs/api.md says what each kind tells."""

    kind: Kind
    calendar: str | None = None
    event: Annotated[
        str | None, Field(description="An event of the calendar, where titles are shown")
    ] = None
    start: datetime | None = None
    end: datetime | None = None
    needed_seconds: int | None = None
    detail: Annotated[
        str | None, Field(description="The rule that is meant, or what is to be known")
    ] = None
    zone: Annotated[str | None, Field(description="The zone of the rule")] = None
    text: str = Field(description="All of it in English, with times in the schedule's zone")


class Run(Answer):
    """A run, or a due time that does not run. Times are UTC."""

    id: str = Field(description="Stable: of a planned run and of what becomes of it, across moves")
    dag_id: str
    dag_display_name: str
    tags: list[str]
    owners: list[str]
    paused: bool
    run_id: str | None
    run_type: str
    state: RunState
    due: datetime
    start: datetime | None
    end: datetime | None
    end_estimated: bool
    outcome: Outcome
    reasons: list[Reason]
    explanation: str
    calendars: list[str]
    late: bool
    collapsed: Collapsed | None
    window_end: datetime | None = Field(
        None, description="When the window ends in which it starts, where it has one"
    )
    next_blackout: Blackout | None = Field(
        None, description="The next one after its start, where that is known"
    )
    spare_seconds: int | None = Field(
        None, description="From its end to that of open time; below 0 where that is first"
    )
    spare_at_least: bool = Field(
        False, description="Whether it may be more: no further ahead are calendars known"
    )


class DagLimits(Answer):
    """How many runs of a DAG Airflow has at once, and the pools that its tasks take slots of."""

    dag_id: str
    max_active_runs: int
    pools: list[str]


class PoolSlots(Answer):
    """How many slots a pool has; below 0 where it has no end."""

    name: str
    slots: int


class Runs(Answer):
    """One page of runs, by start."""

    runs: Iterable[Run]
    total_entries: int = Field(description="Where truncated: at least so many")
    truncated: bool = Field(description="Whether there are more runs than are told or counted")
    paused_dags: int = Field(
        description="DAGs that are paused; what is planned of them is told only with paused=true"
    )
    parallelism: int = Field(
        description="How many tasks Airflow runs at once, by [core] parallelism"
    )
    limits: list[DagLimits] = Field(description="Of each DAG with a run here")
    pools: list[PoolSlots] = Field(description="Those that these DAGs use")


class DagCount(Answer):
    """How many runs of a DAG start in some time."""

    dag_id: str
    dag_display_name: str
    runs: int


class Count(Answer):
    """What starts in one hour, or on one day; ``skipped`` are due times that do not run, also those combined."""

    start: datetime
    end: datetime
    runs: int
    often: int = Field(
        description="Of these, runs that lists tell in one row for a stretch of a day"
    )
    moved: int
    running: int
    failed: int
    skipped: int
    at_least: bool = Field(description="Whether there was no time to count all of them")
    dags: list[DagCount] = Field(description="At most four, those that start first; of days only")
    more_dags: int


class Counts(Answer):
    """Runs by the hour or by the day, every one of these in the range."""

    counts: list[Count]
    dag_ids: list[str] = Field(description="Whose runs they are, at most 1,000")
    paused_dags: int


class DagChoice(Answer):
    """A DAG, and what people call it."""

    dag_id: str
    dag_display_name: str


class Choices(Answer):
    """What the list of runs can be narrowed to: all that the DAGs have which the viewer may read."""

    dags: list[DagChoice]
    tags: list[str]
    owners: list[str]
    calendars: list[str]


class Arguments(Answer):
    """What can be changed in a what-if; of calendars the labels, as their options stay in the DAG file."""

    windows: list[str] | None
    blackouts: list[str] | None
    window_calendars: list[str]
    blackout_calendars: list[str]
    duration_seconds: int
    when_blocked: WhenBlocked
    max_delay_seconds: int
    coalesce: bool
    keep_hour: bool
    staggered_by_seconds: int = Field(description="This DAG's own share of its stagger")
    place: bool = Field(description="Whether the placement file chooses when its runs start")


class Plan(Answer):
    """What becomes of a DAG's next due times."""

    dag_id: str
    dag_display_name: str
    timezone: str
    summary: str
    python: str | None = Field(
        description="Of our own schedules, to those who may read the DAG's code"
    )
    arguments: Arguments | None
    plan: list[Run]
    no_run_reason: str | None


class WhatIf(BaseModel):
    """Other arguments; what is left out stays as it is. Rules as ``Weekly`` takes them, calendars by label."""

    model_config = ConfigDict(extra="forbid")

    windows: Texts | None = None
    blackouts: Texts | None = None
    duration_seconds: Seconds | None = None
    when_blocked: WhenBlocked | None = None
    max_delay_seconds: Seconds | None = None
    stagger_seconds: Seconds | None = None
    coalesce: bool | None = None
    keep_hour: bool | None = None


class WhatIfPlan(Answer):
    """The plan under other arguments beside the one in force, and the Python that would make it so."""

    plan: list[Run]
    current: list[Run]
    python: str | None = Field(description="To who may read the DAG's code")
    no_run_reason: str | None
    truncated: bool = Field(False, description="Whether there was no time for more")


class TimeSpan(Answer):
    """A window or a blackout. Where one has a title, a DAG that the viewer may read shows it."""

    kind: Literal["window", "blackout"]
    label: str
    start: datetime
    end: datetime
    title: str | None
    zone: str | None = Field(description="The zone of a rule")
    dag_ids: list[str]


class TimeSpans(Answer):
    """Windows and blackouts, by start."""

    spans: list[TimeSpan]
    total_entries: int
    truncated: bool


class Problem(Answer):
    """A part of a calendar that could not be understood.

    It may cover the time from ``start`` to ``end``, null being an open end; ``matters`` unless that
    is over. What is ``counted`` all the same at most covers too much.
    """

    uid: str
    reason: str
    start: datetime | None = None
    end: datetime | None = None
    counted: bool = False
    matters: bool = True


class CalendarHealth(Answer):
    """How a calendar is doing."""

    label: str
    status: Literal["ok", "incomplete", "stale", "unavailable", "unknown"]
    read_at: datetime | None = None
    checked_at: datetime | None = None
    age_seconds: int | None = None
    next_retry: datetime | None = None
    error: str = ""
    events: int | None = None
    problems: list[Problem] = []
    dag_ids: list[str]
    roles: list[str]
    on_unavailable: str | None = None
    max_stale_seconds: int | None = None


class Calendars(Answer):
    """The calendars that the DAGs use which the viewer may read."""

    calendars: list[CalendarHealth]
    total_entries: int
    truncated: bool = False


class Override(Answer):
    """What passed in closed time, or may pass: a run, or a DAG exempt from the rules of the deployment."""

    how: How
    dag_id: str
    dag_display_name: str
    at: datetime = Field(description="When the run began, or the exemption was granted")
    until: datetime | None = Field(None, description="When the exemption ends or has ended")
    who: str | None
    reason: str | None = Field(description="What somebody wrote, on one line")
    run_id: str | None = None
    state: str | None = None
    refused: bool = Field(
        False, description="Its tasks were refused, as a reason is required and there was none"
    )


class Overrides(Answer):
    """What passed in closed time, newest first."""

    overrides: list[Override]
    total_entries: int
    truncated: bool = False


class Exempt(BaseModel):
    """The exemption to grant."""

    model_config = ConfigDict(extra="forbid")

    until: Annotated[
        datetime,
        Field(description=f"At most {MOST_EXEMPT_DAYS} days ahead; without an offset, UTC"),
        AfterValidator(_soon),
    ]
    reason: Annotated[str, Field(max_length=MOST_SAID), AfterValidator(_checked_reason)]


class Exemption(Answer):
    """Until when a DAG is exempt from the rules of the deployment; who and why, for those who may read its runs."""

    since: datetime
    until: datetime
    who: str | None
    reason: str | None


class ExemptionOf(Answer):
    """Whether a DAG is exempt, from what it can be, and whether the viewer may exempt it."""

    exemption: Exemption | None
    rules: list[str] = Field(
        description="What the rules of the deployment close or open for the DAG"
    )
    may_exempt: bool


class Freeze(Answer):
    """A blackout of the deployment: in force, or ahead within a day."""

    label: str = Field(description="Of the calendar or rule")
    title: str | None = Field(description="Of the event, where titles are shown")
    start: datetime
    end: datetime | None = Field(description="Null: nobody knows")
    in_force: bool
    dags: int = Field(description="DAGs that it holds, of those that the viewer may read")
    exempted: int = Field(description="DAGs that are exempt from it now, of these")
    exempt_tags: list[str]
    by_hand: bool = Field(description="Whether runs that are triggered by hand pass")


class Freezes(Answer):
    """The blackouts of the deployment, and what passes them."""

    freezes: list[Freeze]
    reason_required: bool


class Me(Answer):
    """Who asks, and what they may do."""

    username: str
    can: dict[str, bool]
    base_url: str
    timezone_default: str
    version: str


class Scope(Answer):
    """What a subscription is about."""

    kind: Literal["all", "tag", "dag"]
    value: str | None


class Subscription(Answer):
    """One of one's own subscriptions."""

    id: str
    scope: Scope
    created_at: datetime
    expires_at: datetime
    last_fetched_at: datetime | None


class NewSubscription(Subscription):
    """A subscription just made, with the address that is told only once."""

    url: str


class Subscriptions(Answer):
    """One's own subscriptions."""

    subscriptions: list[Subscription]
    total_entries: int
    truncated: bool = False


class Subscribe(BaseModel):
    """The subscription to make."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["all", "tag", "dag"]
    value: Annotated[str, Field(min_length=1, max_length=250)] | None = None
    days: Annotated[int, Field(ge=1, le=730, description="For how many days it lasts")] = 365
    skipped: Annotated[
        bool, Field(description="Also due times that do not run, as cancelled events")
    ] = True
    moved: Annotated[bool, Field(description="Only what calendars and windows affect")] = False
    frequent: Annotated[bool, Field(description="Also DAGs that are due more than once a day")] = (
        True
    )
    paused: Annotated[bool, Field(description="Also paused DAGs, whose runs do not start")] = False

    @model_validator(mode="after")
    def _value_where_needed(self) -> Subscribe:
        if (self.kind == "all") != (self.value is None):
            raise ValueError("value goes with kind 'tag' or 'dag', and must be given there")
        return self

// What the REST API takes and answers, as `python -m tools.page_types` writes it.

/** What can be changed in a what-if; of calendars the labels, as their options stay in the DAG file. */
export interface Arguments {
  windows: string[] | null;
  blackouts: string[] | null;
  window_calendars: string[];
  blackout_calendars: string[];
  duration_seconds: number;
  when_blocked: "postpone" | "advance" | "skip" | "run";
  max_delay_seconds: number;
  coalesce: boolean;
  /** This DAG's own share of its stagger */
  staggered_by_seconds: number;
}

/** When a blackout begins: of a calendar, with its event's title where that is shown, or by a rule in its zone. */
export interface Blackout {
  start: string;
  calendar: string | null;
  event: string | null;
  detail: string | null;
  zone: string | null;
}

/** How a calendar is doing. */
export interface CalendarHealth {
  label: string;
  status: "ok" | "incomplete" | "stale" | "unavailable" | "unknown";
  read_at: string | null;
  checked_at: string | null;
  age_seconds: number | null;
  next_retry: string | null;
  error: string;
  events: number | null;
  problems: Problem[];
  dag_ids: string[];
  roles: string[];
  on_unavailable: string | null;
  max_stale_seconds: number | null;
}

/** The calendars that the DAGs use which the viewer may read. */
export interface Calendars {
  calendars: CalendarHealth[];
  total_entries: number;
  truncated: boolean;
}

/** What the list of runs can be narrowed to: all that the DAGs have which the viewer may read. */
export interface Choices {
  dags: DagChoice[];
  tags: string[];
  owners: string[];
  calendars: string[];
}

/** How many runs one row of a DAG that runs more often than hourly stands for. */
export interface Collapsed {
  count: number;
  every_seconds: number;
}

/** What starts in one hour, or on one day; `skipped` are due times that do not run, also those combined. */
export interface Count {
  start: string;
  end: string;
  runs: number;
  /** Of these, runs that lists tell in one row for a stretch of a day */
  often: number;
  moved: number;
  running: number;
  failed: number;
  skipped: number;
  /** Whether there was no time to count all of them */
  at_least: boolean;
  /** At most four, those that start first; of days only */
  dags: DagCount[];
  more_dags: number;
}

/** Runs by the hour or by the day, every one of these in the range. */
export interface Counts {
  counts: Count[];
  /** Whose runs they are, at most 1,000 */
  dag_ids: string[];
  paused_dags: number;
}

/** A DAG, and what people call it. */
export interface DagChoice {
  dag_id: string;
  dag_display_name: string;
}

/** How many runs of a DAG start in some time. */
export interface DagCount {
  dag_id: string;
  dag_display_name: string;
  runs: number;
}

/** How many runs of a DAG Airflow has at once, and the pools that its tasks take slots of. */
export interface DagLimits {
  dag_id: string;
  max_active_runs: number;
  pools: string[];
}

/** Who asks, and what they may do. */
export interface Me {
  username: string;
  can: Record<string, boolean>;
  base_url: string;
  timezone_default: string;
  version: string;
}

/** A subscription just made, with the address that is told only once. */
export interface NewSubscription {
  id: string;
  scope: Scope;
  created_at: string;
  expires_at: string;
  last_fetched_at: string | null;
  url: string;
}

/** What becomes of a DAG's next due times. */
export interface Plan {
  dag_id: string;
  dag_display_name: string;
  timezone: string;
  summary: string;
  /** Of our own schedules, to who may read the DAG's code */
  python: string | null;
  arguments: Arguments | null;
  plan: Run[];
  no_run_reason: string | null;
}

/** How many slots a pool has; below 0 where it has no end. */
export interface PoolSlots {
  name: string;
  slots: number;
}

/**
 * A part of a calendar that could not be understood.
 *
 * It may cover the time from `start` to `end`, null being an open end; `matters` unless that
 * is over. What is `counted` all the same at most covers too much.
 */
export interface Problem {
  uid: string;
  reason: string;
  start: string | null;
  end: string | null;
  counted: boolean;
  matters: boolean;
}

/** One reason why a run does not simply start when due. Times are UTC; docs/api.md says what each kind tells. */
export interface Reason {
  kind: "blackout" | "outside_windows" | "too_short" | "combined" | "skipped" | "run_anyway" | "advanced" | "staggered" | "unknown" | "note";
  calendar: string | null;
  /** An event of the calendar, where titles are shown */
  event: string | null;
  start: string | null;
  end: string | null;
  needed_seconds: number | null;
  /** The rule that is meant, or what is to be known */
  detail: string | null;
  /** The zone of the rule */
  zone: string | null;
  /** All of it in English, with times in the schedule's zone */
  text: string;
}

/** Why a question is not answered: each field that is wrong. */
export interface Refusal {
  detail: Wrong[];
}

/** A run, or a due time that does not run. Times are UTC. */
export interface Run {
  /** Stable: of a planned run and of what becomes of it, across moves */
  id: string;
  dag_id: string;
  dag_display_name: string;
  tags: string[];
  owners: string[];
  paused: boolean;
  run_id: string | null;
  run_type: string;
  state: "planned" | "queued" | "running" | "success" | "failed" | "skipped";
  due: string;
  start: string | null;
  end: string | null;
  end_estimated: boolean;
  outcome: "on_time" | "postponed" | "advanced" | "skipped" | "coalesced" | "forced";
  reasons: Reason[];
  explanation: string;
  calendars: string[];
  late: boolean;
  collapsed: Collapsed | null;
  /** When the window ends in which it starts, where it has one */
  window_end: string | null;
  /** The next one after its start, where that is known */
  next_blackout: Blackout | null;
  /** From its end to that of open time; below 0 where that is first */
  spare_seconds: number | null;
  /** Whether it may be more: no further ahead are calendars known */
  spare_at_least: boolean;
}

/** One page of runs, by start. */
export interface Runs {
  runs: Run[];
  /** Where truncated: at least so many */
  total_entries: number;
  /** Whether there are more runs than are told or counted */
  truncated: boolean;
  /** DAGs that are paused; what is planned of them is told only with paused=true */
  paused_dags: number;
  /** How many tasks Airflow runs at once, by [core] parallelism */
  parallelism: number;
  /** Of each DAG with a run here */
  limits: DagLimits[];
  /** Those that these DAGs use */
  pools: PoolSlots[];
}

/** What a subscription is about. */
export interface Scope {
  kind: "all" | "tag" | "dag";
  value: string | null;
}

/** The subscription to make. */
export interface Subscribe {
  kind: "all" | "tag" | "dag";
  value?: string | null;
  /** For how many days it lasts */
  days?: number;
  /** Also due times that do not run, as cancelled events */
  skipped?: boolean;
  /** Only what calendars and windows affect */
  moved?: boolean;
  /** Also DAGs that are due more than once a day */
  frequent?: boolean;
  /** Also paused DAGs, whose runs do not start */
  paused?: boolean;
}

/** One of one's own subscriptions. */
export interface Subscription {
  id: string;
  scope: Scope;
  created_at: string;
  expires_at: string;
  last_fetched_at: string | null;
}

/** One's own subscriptions. */
export interface Subscriptions {
  subscriptions: Subscription[];
  total_entries: number;
  truncated: boolean;
}

/** A window or a blackout. Where one has a title, a DAG that the viewer may read shows it. */
export interface TimeSpan {
  kind: "window" | "blackout";
  label: string;
  start: string;
  end: string;
  title: string | null;
  /** The zone of a rule */
  zone: string | null;
  dag_ids: string[];
}

/** Windows and blackouts, by start. */
export interface TimeSpans {
  spans: TimeSpan[];
  total_entries: number;
  truncated: boolean;
}

/** Other arguments; what is left out stays as it is. Rules as `Weekly` takes them, calendars by label. */
export interface WhatIf {
  windows?: string[] | null;
  blackouts?: string[] | null;
  duration_seconds?: number | null;
  when_blocked?: "postpone" | "advance" | "skip" | "run" | null;
  max_delay_seconds?: number | null;
  stagger_seconds?: number | null;
  coalesce?: boolean | null;
}

/** The plan under other arguments beside the one in force, and the Python that would make it so. */
export interface WhatIfPlan {
  plan: Run[];
  current: Run[];
  /** To who may read the DAG's code */
  python: string | null;
  no_run_reason: string | null;
  /** Whether there was no time for more */
  truncated: boolean;
}

/** What is wrong with one field of a question. */
export interface Wrong {
  field: string;
  message: string;
}

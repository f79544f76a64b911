// What the REST API takes and answers, as `python -m tools.page_types` writes it.

/** What could be changed in the files of some DAGs, and why. */
export interface Advice {
  kind: "duration" | "start" | "stagger" | "conflict";
  dags: DagChoice[];
  text: string;
  gain: AdviceGain;
  certainty: Certainty;
  evidence: string[];
  /** Of the DAGs whose code the viewer may read; for some there is no such line */
  python: LineToCopy[];
  /** To run once the files are changed */
  command: string | null;
}

/** What a change is worth: how much there is of something before it, and after it. */
export interface AdviceGain {
  what: string;
  before: number;
  after: number;
}

/** What could be better, of the DAGs that the viewer may read, the greatest gain first. */
export interface AllAdvice {
  /** At most 50 */
  advice: Advice[];
  /** DAGs of which some runs are recorded that succeeded */
  known_dags: number;
  /** DAGs with runs to come of which none is */
  unknown_dags: number;
  /** Whether there was no time to look at all */
  partial: boolean;
  /** How many pieces of advice there are besides */
  left_out: number;
}

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
  keep_hour: boolean;
  /** This DAG's own share of its stagger */
  staggered_by_seconds: number;
  /** Whether the placement file chooses when its runs start */
  place: boolean;
}

/** A time for a blackout, and what it would do. */
export interface BetterTime {
  start: string;
  end: string;
  runs: number;
  delay_seconds: number;
  summary: string;
}

/** The times that would disturb least, best first. */
export interface BetterTimes {
  times: BetterTime[];
  /** There was no time to look at all: there may be better */
  partial: boolean;
}

/** When a blackout begins: of a calendar, with its event's title where that is shown, or by a rule in its zone. */
export interface Blackout {
  start: string;
  calendar: string | null;
  event: string | null;
  detail: string | null;
  zone: string | null;
}

/** The calendars, by Connection id, into which the user may book a blackout. */
export interface Bookable {
  calendars: string[];
}

/** A blackout to be booked. */
export interface Booking {
  start: string;
  end: string;
  title: string;
  calendar: string;
}

/** The event that was entered; `created` is false where it was there already. */
export interface BookingMade {
  uid: string;
  created: boolean;
  calendar: string;
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

/** How sure advice is: how many runs of each DAG say so at least, and weeks of what else runs. */
export interface Certainty {
  level: "few" | "some" | "many";
  runs: number;
  /** Null where nothing else matters */
  weeks: number | null;
  text: string;
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

/** The exemption to grant. */
export interface Exempt {
  /** At most 31 days ahead; without an offset, UTC */
  until: string;
  reason: string;
}

/** Until when a DAG is exempt from the rules of the deployment; who and why, for those who may read its runs. */
export interface Exemption {
  since: string;
  until: string;
  who: string | null;
  reason: string | null;
}

/** Whether a DAG is exempt, from what it can be, and whether the viewer may exempt it. */
export interface ExemptionOf {
  exemption: Exemption | null;
  /** What the rules of the deployment close or open for the DAG */
  rules: string[];
  may_exempt: boolean;
}

/** A blackout of the deployment: in force, or ahead within a day. */
export interface Freeze {
  /** Of the calendar or rule */
  label: string;
  /** Of the event, where titles are shown */
  title: string | null;
  start: string;
  /** Null: nobody knows */
  end: string | null;
  in_force: boolean;
  /** DAGs that it holds, of those that the viewer may read */
  dags: number;
  /** DAGs that are exempt from it now, of these */
  exempted: number;
  exempt_tags: string[];
  /** Whether runs that are triggered by hand pass */
  by_hand: boolean;
}

/** The blackouts of the deployment, and what passes them. */
export interface Freezes {
  freezes: Freeze[];
  reason_required: boolean;
}

/** What a blackout would do to the DAGs that the user may read. */
export interface ImpactTold {
  start: string;
  end: string;
  summary: string;
  counts: Record<string, number>;
  changes: RunMoved[];
  total_entries: number;
  missing: Missing[];
  /** Without due times: their tasks would wait */
  waiting_dags: string[];
  /** So many were looked at */
  dags: number;
  untold_dags: string[];
  truncated: boolean;
}

/** What to write into a DAG's file. */
export interface LineToCopy {
  dag_id: string;
  code: string;
}

/** How full the pools get, of the DAGs that the viewer may read. */
export interface Load {
  pools: PoolLoad[];
  /** Those that are named here */
  dags: UsualLength[];
  /** At most 200, by start */
  overruns: RunOverrun[];
  total_overruns: number;
  /** From here on nothing is expected, as it is not known */
  told_until: string;
  /** From here on it is known what was used */
  used_since: string;
  /** DAGs of which some runs are recorded that succeeded */
  known_dags: number;
  /** DAGs with runs to come of which none is */
  unknown_dags: number;
  /** Whether some schedule could not be told to its end */
  partial: boolean;
}

/** An hour of a pool: what is expected, what was used, and what is usual at this time of the week. */
export interface LoadHour {
  start: string;
  /** Slots in use, on average; of this hour, in what is left of it; null where that is over, or not known */
  expected: number | null;
  /** The most slots in use at once */
  peak: number | null;
  /** Slots that tasks wait for, on average */
  waiting: number | null;
  /** Of what asks for slots in this hour */
  longest_wait_seconds: number | null;
  /** Whether that wait goes on past what is known */
  wait_at_least: boolean;
  /** Runs that start here of which nothing is known: they come on top of that */
  unknown_runs: number;
  /** Slots that were in use, on average */
  used: number | null;
  /** What was used in this hour of the week, on average */
  usual: number | null;
  /** And in the fullest of ten such weeks */
  usual_high: number | null;
  /** So many weeks say what is usual */
  weeks: number;
  /** So many runs at least say what is expected, of each DAG that uses the pool here */
  rests_on: number | null;
  /** At most five, those that are to use most */
  dags: LoadShare[];
  more_dags: number;
}

/** How many slots the runs of a DAG use in an hour, on average. */
export interface LoadShare {
  dag_id: string;
  slots: number;
}

/** Who asks, and what they may do. */
export interface Me {
  username: string;
  can: Record<string, boolean>;
  base_url: string;
  timezone_default: string;
  version: string;
}

/** A DAG that would miss a deadline. */
export interface Missing {
  dag_id: string;
  by_seconds: number | null;
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

/** What passed in closed time, or may pass: a run, or a DAG exempt from the rules of the deployment. */
export interface Override {
  how: "by_hand" | "conf" | "exemption" | "command";
  dag_id: string;
  dag_display_name: string;
  /** When the run began, or the exemption was granted */
  at: string;
  /** When the exemption ends or has ended */
  until: string | null;
  who: string | null;
  /** What somebody wrote, on one line */
  reason: string | null;
  run_id: string | null;
  state: string | null;
  /** Its tasks were refused, as a reason is required and there was none */
  refused: boolean;
}

/** What passed in closed time, newest first. */
export interface Overrides {
  overrides: Override[];
  total_entries: number;
  truncated: boolean;
}

/** What becomes of a DAG's next due times. */
export interface Plan {
  dag_id: string;
  dag_display_name: string;
  timezone: string;
  summary: string;
  /** Of our own schedules, to those who may read the DAG's code */
  python: string | null;
  arguments: Arguments | null;
  plan: Run[];
  no_run_reason: string | null;
}

/** How full a pool gets, and what of it is in use at this moment, by DAGs whose runs the viewer may read. */
export interface PoolLoad {
  name: string;
  /** Below 0 where it has no end */
  slots: number;
  in_use: number;
  /** Slots that tasks wait for at this moment */
  waiting: number;
  hours: LoadHour[];
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
  kind: "blackout" | "outside_windows" | "too_short" | "combined" | "skipped" | "run_anyway" | "advanced" | "staggered" | "placed" | "same_hour" | "unknown" | "note";
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

/** What a blackout would do to one run; `start` is what it is now. */
export interface RunMoved {
  dag_id: string;
  dag_display_name: string;
  due: string;
  kind: "postponed" | "advanced" | "combined" | "skipped" | "forced" | "separate";
  start: string | null;
  /** Its start, or that of the run that does its work; null where it is skipped */
  new_start: string | null;
  /** Due time of the run that does its work */
  runs_with: string | null;
  delay_seconds: number;
  misses_deadline: boolean;
  /** null where it would not run at all */
  missed_by_seconds: number | null;
  /** It goes by calendars that are not known so far */
  uncertain: boolean;
  /** How it is moved, as in: 4 h later */
  how: string;
  /** The same with its due time and start, as a sentence */
  text: string;
}

/** A run that may not end before its window does. */
export interface RunOverrun {
  dag_id: string;
  start: string;
  running: boolean;
  /** So long it is expected to wait for slots */
  waits_seconds: number;
  /** When time closes that is open as it starts */
  closes: string;
  /** When it ends, if it takes long */
  ends: string;
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

/** How long the runs of a DAG take. */
export interface UsualLength {
  dag_id: string;
  dag_display_name: string;
  median_seconds: number;
  /** 19 of 20 runs took no longer */
  high_seconds: number;
  /** So many runs say so */
  runs: number;
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
  keep_hour?: boolean | null;
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

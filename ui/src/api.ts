// The REST API under /calendar-timetable/api/, as docs/api.md has it. Instants are ISO 8601 in UTC.
import { address } from "./airflow";

export const STATES = ["planned", "queued", "running", "success", "failed", "skipped"] as const;
export type State = (typeof STATES)[number];
/** How calendars move runs: a filter takes these beside states. */
export const MOVES = ["postponed", "advanced", "combined"] as const;

/** Why a run does not simply start when due: as data, and in English with times in the schedule's zone. */
export interface Reason {
  kind:
    | "blackout"
    | "outside_windows"
    | "too_short"
    | "combined"
    | "skipped"
    | "run_anyway"
    | "advanced"
    | "staggered"
    | "unknown"
    | "note";
  calendar: string | null;
  event: string | null;
  start: string | null;
  end: string | null;
  needed_seconds: number | null;
  detail: string | null;
  zone: string | null;
  text: string;
}

export interface Run {
  id: string;
  dag_id: string;
  dag_display_name: string;
  tags: string[];
  owners: string[];
  paused: boolean;
  run_id: string | null;
  state: State;
  due: string;
  start: string | null;
  end: string | null;
  end_estimated: boolean;
  outcome: "on_time" | "postponed" | "advanced" | "skipped" | "coalesced" | "forced";
  reasons: Reason[];
  explanation: string;
  calendars: string[];
  late: boolean;
  collapsed: { count: number; every_seconds: number } | null;
  run_type: string | null;
  window_end: string | null;
  next_blackout: Blackout | null;
  spare_seconds: number | null;
  spare_at_least: boolean;
}

/** When a blackout begins, and which: a calendar's, with its event where titles are shown, or a rule in its zone. */
export interface Blackout {
  start: string;
  calendar: string | null;
  event: string | null;
  detail: string | null;
  zone: string | null;
}

/** How much Airflow runs at once. */
export interface Limits {
  parallelism: number;
  limits: { dag_id: string; max_active_runs: number; pools: string[] }[];
  pools: { name: string; slots: number }[];
}

export interface Runs extends Limits {
  runs: Run[];
  total_entries: number;
  truncated: boolean;
  paused_dags: number;
}

/** What starts in an hour or on a day. */
export interface Count {
  start: string;
  end: string;
  runs: number;
  /** Of these, runs that a list has in one row for a stretch of a day. */
  often: number;
  moved: number;
  running: number;
  failed: number;
  skipped: number;
  at_least: boolean;
  dags: { dag_id: string; dag_display_name: string; runs: number }[];
  more_dags: number;
}

export interface Counts {
  counts: Count[];
  dag_ids: string[];
  paused_dags: number;
}

export interface Choices {
  dags: { dag_id: string; dag_display_name: string }[];
  tags: string[];
  owners: string[];
  calendars: string[];
}

export interface Span {
  kind: "window" | "blackout";
  label: string;
  start: string;
  end: string;
  title: string | null;
  /** The zone in which a rule is written; null of a calendar's event. */
  zone: string | null;
  dag_ids: string[];
}

export interface TimeSets {
  spans: Span[];
  truncated: boolean;
}

/** What a what-if can change. Windows and blackouts name weekly rules one by one, and all else by its label. */
export interface Arguments {
  windows: string[] | null;
  blackouts: string[] | null;
  window_calendars: string[];
  blackout_calendars: string[];
  duration_seconds: number;
  when_blocked: string;
  max_delay_seconds: number;
  coalesce: boolean;
  staggered_by_seconds: number;
}

export interface Plan {
  dag_id: string;
  dag_display_name: string;
  timezone: string;
  summary: string;
  python: string | null;
  arguments: Arguments | null;
  plan: Run[];
  no_run_reason: string | null;
}

export interface WhatIf {
  plan: Run[];
  current: Run[];
  python: string | null;
  no_run_reason: string | null;
}

/** What could not be understood. It may cover the time from start to end, where it is not counted all the same. */
export interface CalendarProblem {
  uid: string;
  reason: string;
  start: string | null;
  end: string | null;
  counted: boolean;
  matters: boolean;
}

export interface CalendarHealth {
  label: string;
  status: "ok" | "incomplete" | "stale" | "unavailable" | "unknown";
  read_at: string | null;
  checked_at: string | null;
  age_seconds: number | null;
  next_retry: string | null;
  error: string | null;
  events: number | null;
  problems: CalendarProblem[];
  dag_ids: string[];
  roles: string[];
  on_unavailable: string | null;
  max_stale_seconds: number | null;
}

/** A blackout of the whole deployment: in force, or ahead within a day. */
export interface Freeze {
  label: string;
  title: string | null;
  start: string;
  end: string | null;
  in_force: boolean;
  dags: number;
  exempted: number;
  exempt_tags: string[];
  by_hand: boolean;
}

export interface Freezes {
  freezes: Freeze[];
  reason_required: boolean;
}

/** What passed closed time: a run, or a DAG that is exempt from the rules of the deployment. */
export interface Override {
  how: "by_hand" | "conf" | "exemption";
  dag_id: string;
  dag_display_name: string;
  at: string;
  until: string | null;
  who: string | null;
  reason: string | null;
  run_id: string | null;
  state: string | null;
  refused: boolean;
}

export interface Overrides {
  overrides: Override[];
  total_entries: number;
  truncated: boolean;
}

/** Whether a DAG is exempt, from which rules it can be, and whether who looks may exempt it. */
export interface ExemptionOf {
  exemption: { since: string; until: string; who: string | null; reason: string | null } | null;
  rules: string[];
  may_exempt: boolean;
}

export interface Subscription {
  id: string;
  scope: { kind: "all" | "tag" | "dag"; value: string | null };
  created_at: string;
  expires_at: string;
  last_fetched_at: string | null;
}

export interface Me {
  username: string;
  can: { subscribe: boolean };
  timezone_default: string;
  version: string;
}

/** An answer that is not what was asked for; `fields` says which parts of a form are wrong. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly fields: { field: string; message: string }[] = [],
  ) {
    super(message);
  }
}

type Detail = string | { field?: string; message?: string; loc?: (string | number)[]; msg?: string }[];

/** Ask the API; throws ApiError, and AbortError when `signal` says so. */
export async function call<T>(path: string, init: RequestInit = {}): Promise<T> {
  const headers = { "X-Requested-With": "calendar-timetable", "Content-Type": "application/json" };
  let answer: Response;
  try {
    answer = await fetch(address(`calendar-timetable/api/${path}`), { ...init, headers });
    for (let again = 0; answer.status === 429 && again < 3; again++) {
      await later(Number(answer.headers.get("Retry-After") ?? 5), init.signal);
      answer = await fetch(address(`calendar-timetable/api/${path}`), { ...init, headers });
    }
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new ApiError(0, "Airflow's web server cannot be reached.");
  }
  if (answer.ok) return answer.status === 204 ? (undefined as T) : ((await answer.json()) as T);
  const body: { detail?: Detail } = await answer.json().catch(() => ({}));
  const details = Array.isArray(body.detail) ? body.detail : [];
  const fields = details.map((each) => ({
    field: each.field ?? String(each.loc?.at(-1) ?? ""),
    message: each.message ?? each.msg ?? "is not understood",
  }));
  const said = typeof body.detail === "string" ? body.detail : fields.map((f) => `${f.field}: ${f.message}`).join("; ");
  throw new ApiError(answer.status, SAID[answer.status] ?? (said || `Airflow answered ${answer.status}.`), fields);
}

/** After so many seconds; at once where what is waited for is not wanted any more: asking then says so. */
function later(seconds: number, signal?: AbortSignal | null): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, Math.min(seconds, 10) * 1000);
    signal?.addEventListener("abort", () => resolve());
  });
}

const SAID: Record<number, string> = {
  401: "You are logged out of Airflow. Log in again, then reload this page.",
  403: "Your role does not allow this.",
};

export function query(parameters: Record<string, string | number | boolean | string[] | undefined>): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    for (const each of Array.isArray(value) ? value : value === undefined ? [] : [value])
      search.append(name, `${each}`);
  }
  return search.toString();
}

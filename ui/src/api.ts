// The REST API under /calendar-timetable/api/, as docs/api.md has it. Instants are ISO 8601 in UTC.
import { address } from "./airflow";

import type { Run, Runs } from "./openapi";

export type {
  Advice,
  AdviceGain,
  AllAdvice,
  Arguments,
  BetterTimes,
  Blackout,
  Bookable,
  BookingMade,
  CalendarHealth,
  Choices,
  Count,
  Counts,
  DagChoice,
  ExemptionOf,
  Freeze,
  Freezes,
  ImpactTold,
  LineToCopy,
  Load,
  LoadHour,
  Override,
  Overrides,
  Plan,
  PoolLoad,
  Problem as CalendarProblem,
  Reason,
  Run,
  RunMoved,
  RunOverrun,
  Runs,
  Subscription,
  TimeSpan as Span,
  TimeSpans as TimeSets,
  UsualLength,
  WhatIfPlan as WhatIf,
} from "./openapi";

type State = Run["state"];
const EVERY_STATE: Record<State, true> = {
  planned: true,
  queued: true,
  running: true,
  success: true,
  failed: true,
  skipped: true,
};
export const STATES = Object.keys(EVERY_STATE) as State[];
/** How calendars move runs: a filter takes these beside states. */
export const MOVES = ["postponed", "advanced", "combined"] as const;

/** How much Airflow runs at once. */
export type Limits = Pick<Runs, "parallelism" | "limits" | "pools">;

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

/** Whatever was thrown, as what a page can show. */
export const troubleOf = (error: unknown): ApiError =>
  error instanceof ApiError ? error : new ApiError(0, "Something went wrong.");

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

import type { Run } from "../src/api";

/** A run that starts when due and takes an hour, but for what `change` says. */
export function aRun(change: Partial<Run> = {}): Run {
  const due = change.due ?? "2026-11-21T01:00:00Z";
  return {
    id: `dag ${due}`,
    dag_id: "dag",
    dag_display_name: "dag",
    tags: [],
    owners: [],
    paused: false,
    run_id: null,
    state: "planned",
    due,
    start: due,
    end: new Date(Date.parse(due) + 3_600_000).toISOString(),
    end_estimated: true,
    outcome: "on_time",
    reasons: [],
    explanation: "",
    calendars: [],
    late: false,
    collapsed: null,
    run_type: "scheduled",
    window_end: null,
    next_blackout: null,
    spare_seconds: null,
    spare_at_least: false,
    ...change,
  };
}

// What runs and spans are, for every view.
import type { Run, Span } from "./api";
import { dayOf } from "./times";

/** Whether its schedule moved a run; one that merely started some seconds late was not. */
export const isMoved = (run: Run): boolean => run.start !== null && ["postponed", "advanced"].includes(run.outcome);

/** The class that gives a run its colours: its state, and of the planned ones whether it was moved. */
export function toneOf(run: Run): string {
  if (run.paused && run.state === "planned") return "ct-off";
  const moved = run.state === "planned" && (isMoved(run) || run.outcome === "forced");
  return moved ? "ct-moved" : `ct-${run.state}`;
}

/** One word for what became of a run. */
export function stateText(run: Run): string {
  if (run.state === "skipped") return run.outcome === "coalesced" ? "combined" : "skipped";
  if (run.state !== "planned") return run.state;
  return { on_time: "planned", forced: "runs anyway" }[run.outcome as string] ?? run.outcome;
}

export const startOf = (run: Run): number => Date.parse(run.start ?? run.due);
export const runsAtAll = (run: Run): boolean => run.start !== null && run.state !== "skipped";

export const KINDS = ["window", "blackout"] as const;

export interface Stretch {
  spans: Span[];
  start: string;
  end: string;
}

/** Spans of one kind without overlaps: what several calendars say of one time is drawn once. */
export function union(spans: Span[]): Stretch[] {
  const found: Stretch[] = [];
  for (const span of [...spans].sort((a, b) => Date.parse(a.start) - Date.parse(b.start))) {
    const last = found.at(-1);
    if (!last || Date.parse(span.start) > Date.parse(last.end)) {
      found.push({ spans: [span], start: span.start, end: span.end });
      continue;
    }
    if (Date.parse(span.end) > Date.parse(last.end)) last.end = span.end;
    last.spans.push(span);
  }
  return found;
}

/** The spans that hold for all of these DAGs: behind the runs of several, no others mean anything. */
export function sharedBy(dags: Iterable<string>, spans: Span[]): Span[] {
  const all = [...dags];
  return all.length === 0 ? [] : spans.filter((span) => all.every((dag) => span.dag_ids.includes(dag)));
}

const FEW = 3; // due times that do not run, and more of them, of one DAG and day are one row

export interface RowOfRuns {
  run: Run;
  /** The last of the due times that this row stands for, and how many there are. */
  last: Run;
  count: number;
}

/** Due times of one DAG and day that do not run, or run with the same later one, as one row where the first is. */
export function grouped(runs: Run[], zone: string): RowOfRuns[] {
  const rows: RowOfRuns[] = [];
  const open = new Map<string, RowOfRuns[]>();
  for (const run of runs) {
    const later = run.reasons.find(({ kind }) => kind === "combined")?.start ?? "";
    const key = `${run.dag_id} ${run.outcome} ${dayOf(run.due, zone)} ${later}`;
    const row = { run, last: run, count: run.collapsed?.count ?? 1 };
    rows.push(row);
    if (run.state === "skipped") open.set(key, [...(open.get(key) ?? []), row]);
  }
  const gone = new Set<RowOfRuns>();
  for (const alike of open.values()) {
    const [first, ...others] = alike;
    if (!first || alike.length < FEW) continue;
    for (const other of others) gone.add(other);
    first.count = alike.reduce((sum, row) => sum + row.count, 0);
    first.last = others.at(-1)?.run ?? first.run;
  }
  return rows.filter((row) => !gone.has(row));
}

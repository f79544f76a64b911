// Where things lie in a stretch of time, for the timeline.
import type { Run } from "./api";

export interface Placed {
  run: Run;
  /** Parts of the whole, 0 to 1. */
  left: number;
  width: number;
  /** Which of its DAG's lanes: runs that overlap lie below each other. */
  lane: number;
}

const SHORTEST = 15 * 60_000;

/** Part of [start, end) that [from, to) covers: its left edge and width, each 0 to 1. */
export function within(from: number, to: number, start: number, end: number): [number, number] {
  const left = Math.max(0, (from - start) / (end - start));
  const right = Math.min(1, (to - start) / (end - start));
  return [left, Math.max(0, right - left)];
}

const startOf = (run: Run): number => Date.parse(run.start ?? run.due);
const endOf = (run: Run): number => Math.max(run.end ? Date.parse(run.end) : 0, startOf(run));

/** The runs of each DAG in [start, end), by what starts first; short ones as long as can be clicked. */
export function rowsOf(runs: Run[], start: number, end: number): Map<string, Placed[]> {
  const rows = new Map<string, Placed[]>();
  const busy = new Map<string, number[]>();
  for (const run of [...runs].sort((a, b) => startOf(a) - startOf(b))) {
    const shownTo = Math.max(endOf(run), startOf(run) + SHORTEST);
    if (startOf(run) >= end || shownTo <= start) continue;
    const lanes = busy.get(run.dag_id) ?? [];
    const free = lanes.findIndex((until) => until <= startOf(run));
    const lane = free < 0 ? lanes.length : free;
    lanes[lane] = shownTo;
    busy.set(run.dag_id, lanes);
    const [left, width] = within(startOf(run), shownTo, start, end);
    rows.set(run.dag_id, [...(rows.get(run.dag_id) ?? []), { run, left, width, lane }]);
  }
  return rows;
}

/** How many runs there are at once, at most, in each hour from `start`; rows that stand for many count as one. */
export function loadOf(runs: Run[], start: number, hours: number): number[] {
  const real = runs.filter((run) => run.start && run.state !== "skipped");
  return Array.from({ length: hours }, (_, hour) => {
    const [from, to] = [start + hour * 3_600_000, start + (hour + 1) * 3_600_000];
    const here = real.filter((run) => startOf(run) < to && endOf(run) > from);
    // The most at once is reached where one of them starts, or where the hour does.
    const moments = [from, ...here.map(startOf).filter((at) => at > from)];
    return Math.max(...moments.map((at) => here.filter((run) => startOf(run) <= at && endOf(run) > at).length));
  });
}

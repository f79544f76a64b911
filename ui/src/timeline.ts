// Where things lie in a stretch of time, for the timeline.
import type { Limits, Run } from "./api";
import { runsAtAll, startOf, toneOf } from "./events";

/** Runs of one DAG that start together, as one mark. */
export interface Mark {
  runs: [Run, ...Run[]];
  /** Parts of the whole, 0 to 1. */
  left: number;
  width: number;
  /** Whether its end is not known. */
  open: boolean;
}

const NARROWEST = 0.014; // of the whole: what can be seen and clicked
const WEIGHT = ["ct-failed", "ct-running", "ct-queued", "ct-moved", "ct-planned", "ct-off", "ct-success", "ct-skipped"];

/** Part of [start, end) that [from, to) covers: its left edge and width, each 0 to 1. */
export function within(from: number, to: number, start: number, end: number): [number, number] {
  const left = Math.max(0, (from - start) / (end - start));
  const right = Math.min(1, (to - start) / (end - start));
  return [left, Math.max(0, right - left)];
}

const endOf = (run: Run): number => Math.max(run.end ? Date.parse(run.end) : 0, startOf(run));

const STEP = 900_000; // a quarter of an hour: what a selection keeps to

/** What is selected between two places of [start, end), each 0 to 1, in whole quarters of an hour. */
export function selected(one: number, other: number, start: number, end: number): [number, number] {
  const at = (part: number): number => start + Math.min(1, Math.max(0, part)) * (end - start);
  const from = Math.floor(at(Math.min(one, other)) / STEP) * STEP;
  return [from, Math.max(from + STEP, Math.ceil(at(Math.max(one, other)) / STEP) * STEP)];
}

/** The most telling of runs that start together comes first. */
const byWeight = (one: Run, other: Run): number => WEIGHT.indexOf(toneOf(one)) - WEIGHT.indexOf(toneOf(other));

/** Each DAG's marks in [start, end), by name; what does not run lies behind what does. */
export function rowsOf(runs: Run[], start: number, end: number): Map<string, Mark[]> {
  const rows = new Map<string, Mark[]>();
  const sorted = [...runs].sort(
    (a, b) => a.dag_display_name.localeCompare(b.dag_display_name) || startOf(a) - startOf(b),
  );
  const shortest = NARROWEST * (end - start);
  for (const real of [false, true]) {
    let last: { mark: Mark; from: number } | null = null;
    for (const run of sorted) {
      if (!rows.has(run.dag_id)) rows.set(run.dag_id, []);
      if (runsAtAll(run) !== real) continue;
      const from = startOf(run);
      const to = Math.max(endOf(run), from + shortest);
      if (from >= end || to <= start) continue;
      const [left, width] = within(from, to, start, end);
      if (last && last.mark.runs[0].dag_id === run.dag_id && from - last.from < shortest) {
        last.mark.runs.push(run);
        last.mark.runs.sort(byWeight);
        last.mark.width = Math.max(last.mark.width, left + width - last.mark.left);
        continue;
      }
      const mark: Mark = { runs: [run], left, width, open: real && run.end === null };
      rows.get(run.dag_id)?.push(mark);
      last = { mark, from };
    }
  }
  for (const [dag, marks] of rows) if (marks.length === 0) rows.delete(dag);
  return rows;
}

/** How many runs a mark stands for. */
export const countOf = (mark: Mark): number => mark.runs.reduce((sum, run) => sum + (run.collapsed?.count ?? 1), 0);

export interface Load {
  starts: number;
  /** The most at once, and whether there may be more: of a run that starts here it is not known how long it takes. */
  most: number;
  atLeast: boolean;
}

/** How many runs start, and are under way at once, in each of `slots` parts of [start, end). Of paused DAGs none does. */
export function loadOf(runs: Run[], start: number, end: number, slots: number): Load[] {
  const real = runs.filter((run) => runsAtAll(run) && !(run.paused && run.state === "planned"));
  const length = (end - start) / slots;
  return Array.from({ length: slots }, (_, slot) => {
    const [from, to] = [start + slot * length, start + (slot + 1) * length];
    const here = real.filter((run) => startOf(run) < to && Math.max(endOf(run), startOf(run) + 1) > from);
    // The most at once is reached where one of them starts, or where the slot does.
    const moments = [from, ...here.map(startOf).filter((at) => at > from)];
    const at = (moment: number) =>
      here
        .filter((run) => startOf(run) <= moment && Math.max(endOf(run), startOf(run) + 1) > moment)
        .reduce((sum, run) => sum + atOnce(run), 0);
    return {
      starts: here.reduce((sum, run) => sum + startsIn(run, from, to), 0),
      most: Math.max(...moments.map(at)),
      atLeast: real.some((run) => lengthOf(run) === null && startOf(run) < to && lastStart(run) >= from),
    };
  });
}

export interface PoolLoad {
  name: string;
  slots: number;
  load: Load[];
}

/** How full the pools get that these runs use; the one that all use by default only where it gets too full. */
export function poolLoadsOf(runs: Run[], limits: Limits, start: number, end: number, slots: number): PoolLoad[] {
  const uses = new Map(limits.limits.map((dag) => [dag.dag_id, dag.pools]));
  return limits.pools
    .filter((pool) => pool.slots >= 0)
    .map((pool) => {
      const users = runs.filter((run) => uses.get(run.dag_id)?.includes(pool.name));
      return { ...pool, load: loadOf(users, start, end, slots) };
    })
    .filter(({ name, slots, load }) => name !== "default_pool" || load.some((each) => each.most > slots));
}

/** Of DAGs that are to have more runs at once than they may: how many, and how many they may. */
export function crowdedOf(runs: Run[], limits: Limits, start: number, end: number): Map<string, [number, number]> {
  const crowded = new Map<string, [number, number]>();
  for (const { dag_id, max_active_runs } of limits.limits) {
    const own = runs.filter((run) => run.dag_id === dag_id);
    const most = loadOf(own, start, end, 1)[0]?.most ?? 0;
    if (most > max_active_runs) crowded.set(dag_id, [most, max_active_runs]);
  }
  return crowded;
}

const everyOf = (run: Run): number => (run.collapsed?.every_seconds ?? 0) * 1000;
const lastStart = (run: Run): number => startOf(run) + everyOf(run) * ((run.collapsed?.count ?? 1) - 1);

/** How long a run takes, of many in a row each of them; null where that is not known. */
function lengthOf(run: Run): number | null {
  const length = endOf(run) - lastStart(run);
  return run.end === null || length <= 0 ? null : length;
}

/** How many of a row are under way at once: one that comes every 2 minutes and takes 5 has 3. */
function atOnce(run: Run): number {
  return run.collapsed ? Math.max(1, Math.ceil((lengthOf(run) ?? 0) / everyOf(run))) : 1;
}

function startsIn(run: Run, from: number, to: number): number {
  const every = everyOf(run);
  if (!run.collapsed || every === 0) return startOf(run) >= from && startOf(run) < to ? 1 : 0;
  const before = (at: number) =>
    Math.min(run.collapsed?.count ?? 1, Math.max(0, Math.ceil((at - startOf(run)) / every)));
  return before(to) - before(from);
}

import { describe, expect, test } from "vitest";
import type { Run, Span } from "../src/api";
import { grouped, isMoved, sharedBy, stateText, toneOf, union } from "../src/events";
import { countOf, crowdedOf, loadOf, poolLoadsOf, rowsOf } from "../src/timeline";
import { aRun } from "./runs";

const postponed = aRun({ start: "2026-11-21T04:12:00Z", end: "2026-11-21T08:12:00Z", outcome: "postponed" });
const skipped = aRun({ state: "skipped", outcome: "skipped", start: null, end: null });

describe("runs", () => {
  test("one that merely started some seconds late was not moved", () => {
    expect(isMoved(aRun({ state: "running", start: "2026-11-21T01:00:07Z" }))).toBe(false);
  });
  test("their words and colours", () => {
    expect([isMoved(postponed), isMoved(aRun()), isMoved(skipped)]).toEqual([true, false, false]);
    const runs = [aRun(), postponed, skipped, aRun({ state: "failed" }), aRun({ paused: true })];
    expect(runs.map(toneOf)).toEqual(["ct-planned", "ct-moved", "ct-skipped", "ct-failed", "ct-off"]);
    const outcomes = ["coalesced", "skipped"] as const;
    expect(outcomes.map((outcome) => stateText({ ...skipped, outcome }))).toEqual(["combined", "skipped"]);
    expect([aRun(), postponed, aRun({ outcome: "forced" })].map(stateText)).toEqual([
      "planned",
      "postponed",
      "runs anyway",
    ]);
  });
});

describe("the agenda", () => {
  test("due times that run with different later ones are different rows", () => {
    const combined = (hour: number, later: string) => {
      const due = `2026-11-21T${String(hour).padStart(2, "0")}:00:00Z`;
      const nothing = {
        calendar: null,
        event: null,
        detail: null,
        zone: null,
        end: null,
        needed_seconds: null,
        text: "",
      };
      const reasons = [{ ...nothing, kind: "combined" as const, start: later }];
      return { ...skipped, id: due, due, outcome: "coalesced" as const, reasons };
    };
    const [early, late] = ["2026-11-21T08:00:00Z", "2026-11-21T16:00:00Z"];
    const runs = [4, 5, 6, 7].map((hour) => combined(hour, early)).concat([9, 10, 11].map((at) => combined(at, late)));
    expect(grouped(runs, "UTC").map(({ count, last }) => [count, last.due.slice(11, 13)])).toEqual([
      [4, "07"],
      [3, "11"],
    ]);
  });
});

const span = (change: Partial<Span>): Span => ({
  kind: "blackout",
  label: "team",
  start: "2026-11-21T22:00:00Z",
  end: "2026-11-22T04:00:00Z",
  title: null,
  zone: null,
  dag_ids: ["dag"],
  ...change,
});

describe("windows and blackouts behind them", () => {
  test("what overlaps is drawn once", () => {
    const other = span({ label: "ops", start: "2026-11-22T04:00:00Z", end: "2026-11-22T05:00:00Z" });
    const apart = span({ start: "2026-11-22T06:00:00Z", end: "2026-11-22T07:00:00Z" });
    expect(union([apart, other, span({})])).toEqual([
      { spans: [span({}), other], start: "2026-11-21T22:00:00Z", end: "2026-11-22T05:00:00Z" },
      { spans: [apart], start: "2026-11-22T06:00:00Z", end: "2026-11-22T07:00:00Z" },
    ]);
  });
  test("behind several DAGs only what holds for all of them", () => {
    const both = span({ dag_ids: ["dag", "other"] });
    expect(sharedBy(["dag"], [span({}), both])).toEqual([span({}), both]);
    expect(sharedBy(["dag", "other"], [span({}), both])).toEqual([both]);
    expect(sharedBy([], [both])).toEqual([]);
  });
});

describe("the timeline", () => {
  const [start, end] = [Date.parse("2026-11-21T00:00:00Z"), Date.parse("2026-11-22T00:00:00Z")];
  const at = (due: string, until: string | null, id: string, more: Partial<Run> = {}) =>
    aRun({ due: `2026-11-21T${due}:00Z`, end: until && `2026-11-21T${until}:00Z`, id, ...more });
  const first = at("06:00", "12:00", "first");
  const second = at("09:00", "15:00", "second");
  const marks = (runs: Run[]) =>
    (rowsOf(runs, start, end).get("dag") ?? []).map((mark) => [
      mark.runs.map((run) => run.id).join(),
      mark.left,
      mark.width,
    ]);

  test("each DAG has one lane, and runs that start together are one mark", () => {
    const third = at("09:05", "10:00", "third");
    expect(marks([third, second, first])).toEqual([
      ["first", 0.25, 0.25],
      ["second,third", 0.375, 0.25],
    ]);
    expect(rowsOf([second, third], start, end).get("dag")?.map(countOf)).toEqual([2]);
  });
  test("what does not run lies behind, by itself", () => {
    const not = at("09:01", null, "not", { state: "skipped", outcome: "skipped", start: null });
    expect(marks([not, second]).map(([ids]) => ids)).toEqual(["not", "second"]);
  });
  test("what began before and ends after is cut; what lies outside is left out", () => {
    const long = aRun({ due: "2026-11-20T12:00:00Z", end: "2026-11-23T00:00:00Z", id: "long" });
    const over = aRun({ due: "2026-11-20T12:00:00Z", end: "2026-11-20T13:00:00Z", id: "over" });
    expect(marks([long, over])).toEqual([["long", 0, 1]]);
  });
  test("DAGs are in the order of their names", () => {
    const runs = ["b", "a"].map((name) => aRun({ dag_id: name, dag_display_name: name, id: name }));
    expect([...rowsOf(runs, start, end).keys()]).toEqual(["a", "b"]);
  });
  test("how many start and are under way at once", () => {
    const load = loadOf([first, second, at("12:00", "15:00", "third"), skipped], start, end, 24);
    expect(load.slice(5, 16).map(({ most }) => most)).toEqual([0, 1, 1, 1, 2, 2, 2, 2, 2, 2, 0]);
    expect(load.slice(5, 13).map(({ starts }) => starts)).toEqual([0, 1, 0, 0, 1, 0, 0, 1]);
  });
  test("a run whose length is not known counts where it starts, as at least one", () => {
    const load = loadOf([at("06:00", null, "a"), at("06:00", null, "b")], start, end, 24);
    expect(load[6]).toEqual({ starts: 2, most: 2, atLeast: true });
    expect(load[7]).toEqual({ starts: 0, most: 0, atLeast: false });
  });
  test("a row that stands for many counts as many", () => {
    const often = at("06:00", "08:03", "often", { collapsed: { count: 61, every_seconds: 120 } }); // each takes 3 minutes
    const load = loadOf([often], start, end, 24);
    expect(load[6]).toEqual({ starts: 30, most: 2, atLeast: false });
    expect(load[8]).toEqual({ starts: 1, most: 2, atLeast: false });
  });
  test("runs share the slots of pools; the default one is shown where it gets too full", () => {
    const run = (dag_id: string, from: string) => at(from, "09:00", dag_id, { dag_id });
    const runs = [run("a", "06:00"), run("b", "07:00"), run("c", "07:00")];
    const limits = {
      parallelism: 32,
      limits: [
        { dag_id: "a", max_active_runs: 1, pools: ["default_pool", "gpu"] },
        { dag_id: "b", max_active_runs: 1, pools: ["gpu"] },
        { dag_id: "c", max_active_runs: 1, pools: ["default_pool"] },
      ],
      pools: [
        { name: "default_pool", slots: 2 },
        { name: "gpu", slots: 1 },
        { name: "endless", slots: -1 },
      ],
    };
    const [gpu, ...others] = poolLoadsOf(runs, limits, start, end, 24);
    expect(gpu?.load.slice(5, 10).map(({ most }) => most)).toEqual([0, 1, 2, 2, 0]);
    expect(others).toEqual([]);
    const small = { ...limits, pools: [{ name: "default_pool", slots: 1 }] };
    expect(poolLoadsOf(runs, small, start, end, 24).map(({ name }) => name)).toEqual(["default_pool"]);
  });
  test("a DAG with more runs at once than max_active_runs is told", () => {
    const limits = { parallelism: 32, limits: [{ dag_id: "a", max_active_runs: 1, pools: [] }], pools: [] };
    const runs = [at("06:00", "09:00", "first", { dag_id: "a" }), at("08:00", "10:00", "second", { dag_id: "a" })];
    expect(crowdedOf(runs, limits, start, end).get("a")).toEqual([2, 1]);
    expect(crowdedOf(runs.slice(1), limits, start, end).size).toBe(0);
  });
  test("what is planned of a paused DAG does not count", () => {
    const running = at("06:00", "07:00", "b", { paused: true, state: "running" });
    expect(loadOf([at("06:00", "07:00", "a", { paused: true }), running], start, end, 24)[6]?.most).toBe(1);
  });
});

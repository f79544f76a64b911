import { describe, expect, test } from "vitest";
import type { Span } from "../src/api";
import { backgroundOf, eventsOf, isMoved, stateText, toneOf, union } from "../src/events";
import { loadOf, rowsOf } from "../src/timeline";
import { aRun } from "./runs";

const BERLIN = "Europe/Berlin";
const postponed = aRun({ start: "2026-11-21T04:12:00Z", end: "2026-11-21T08:12:00Z", outcome: "postponed" });
const skipped = aRun({ state: "skipped", outcome: "skipped", start: null, end: null });

const times = (events: ReturnType<typeof eventsOf>) => events.map(({ start, end, allDay }) => [start, end, allDay]);

describe("runs as events", () => {
  test("a run lies where it starts", () => {
    expect(times(eventsOf([aRun()], "week", BERLIN))).toEqual([
      ["2026-11-21T01:00:00Z", "2026-11-21T02:00:00.000Z", undefined],
    ]);
  });
  test("a postponed one leaves a ghost where it was due, but not in a list", () => {
    const [run, ghost] = eventsOf([postponed], "week", BERLIN);
    expect(run).toMatchObject({ start: postponed.start, interactive: true });
    expect(ghost).toMatchObject({ start: postponed.due, interactive: false, class: "ct-run ct-ghost" });
    expect(eventsOf([postponed], "agenda", BERLIN)).toHaveLength(1);
    expect(eventsOf([postponed], "month", BERLIN)).toHaveLength(1); // the same day
    expect(eventsOf([postponed], "month", "America/New_York")).toHaveLength(1);
    expect(eventsOf([postponed], "month", "Asia/Vladivostok")).toHaveLength(1);
    expect(eventsOf([postponed], "month", "America/Los_Angeles")).toHaveLength(1);
    expect(eventsOf([{ ...postponed, start: "2026-11-22T04:12:00Z" }], "month", BERLIN)).toHaveLength(2);
  });
  test("one that merely started some seconds late was not moved", () => {
    const started = aRun({ state: "running", start: "2026-11-21T01:00:07Z" });
    expect(isMoved(started)).toBe(false);
    expect(eventsOf([started], "week", BERLIN)).toHaveLength(1);
  });
  test("a skipped one stays visible where it was due", () => {
    expect(eventsOf([skipped], "week", BERLIN)).toMatchObject([
      { start: skipped.due, class: "ct-run ct-skipped", interactive: true },
    ]);
  });
  test("a day's many runs are one row, on the day that most fall on", () => {
    const many = aRun({
      due: "2026-11-21T00:00:00Z",
      end: "2026-11-22T00:00:00Z",
      collapsed: { count: 288, every_seconds: 300 },
    });
    for (const zone of [BERLIN, "UTC", "America/Los_Angeles"]) {
      expect(eventsOf([many], "week", zone)).toMatchObject([{ start: "2026-11-21", allDay: true }]);
    }
  });
  test("their words and colours", () => {
    expect([isMoved(postponed), isMoved(aRun()), isMoved(skipped)]).toEqual([true, false, false]);
    expect([aRun(), postponed, skipped, aRun({ state: "failed" })].map(toneOf)).toEqual([
      "ct-planned",
      "ct-moved",
      "ct-skipped",
      "ct-failed",
    ]);
    expect([aRun(), postponed, skipped, { ...skipped, outcome: "coalesced" as const }].map(stateText)).toEqual([
      "planned",
      "postponed",
      "skipped",
      "merged into the next",
    ]);
  });
});

const span = (change: Partial<Span>): Span => ({
  kind: "blackout",
  label: "team",
  start: "2026-11-21T22:00:00Z",
  end: "2026-11-22T04:00:00Z",
  title: null,
  dag_ids: ["dag"],
  ...change,
});

describe("windows and blackouts behind them", () => {
  test("what overlaps is drawn once, with all names", () => {
    const other = span({ label: "ops", title: "Freeze", start: "2026-11-22T04:00:00Z", end: "2026-11-22T05:00:00Z" });
    const apart = span({ start: "2026-11-22T06:00:00Z", end: "2026-11-22T07:00:00Z" });
    expect(union([apart, other, span({})])).toEqual([
      { labels: ["team", "Freeze (ops)"], start: "2026-11-21T22:00:00Z", end: "2026-11-22T05:00:00Z" },
      { labels: ["team"], start: "2026-11-22T06:00:00Z", end: "2026-11-22T07:00:00Z" },
    ]);
  });
  test("by the hour in a week, by the day in a month, not in a list", () => {
    const window = span({ kind: "window", label: "night" });
    expect(backgroundOf([span({}), window], "week", BERLIN).map((each) => each.class)).toEqual([
      "ct-span ct-window",
      "ct-span ct-blackout",
    ]);
    expect(backgroundOf([span({}), window], "month", BERLIN).map((each) => each.start)).toEqual([
      "2026-11-21",
      "2026-11-22",
    ]);
    expect(backgroundOf([span({ end: "2026-11-21T23:00:00Z" })], "month", BERLIN)).toHaveLength(1); // ends at midnight
    expect(backgroundOf([span({})], "agenda", BERLIN)).toEqual([]);
  });
});

describe("the timeline", () => {
  const [start, end] = [Date.parse("2026-11-21T00:00:00Z"), Date.parse("2026-11-22T00:00:00Z")];
  const at = (due: string, until: string, id: string) => aRun({ due, end: until, id });
  const first = at("2026-11-21T06:00:00Z", "2026-11-21T12:00:00Z", "first");
  const second = at("2026-11-21T09:00:00Z", "2026-11-21T15:00:00Z", "second");
  const third = at("2026-11-21T12:00:00Z", "2026-11-21T15:00:00Z", "third");

  test("runs that overlap lie in lanes of their own", () => {
    const placed = rowsOf([third, second, first], start, end).get("dag") ?? [];
    expect(placed.map(({ run, left, width, lane }) => [run.id, left, width, lane])).toEqual([
      ["first", 0.25, 0.25, 0],
      ["second", 0.375, 0.25, 1],
      ["third", 0.5, 0.125, 0],
    ]);
  });
  test("what began before and ends after is cut; what lies outside is left out", () => {
    const long = at("2026-11-20T12:00:00Z", "2026-11-23T00:00:00Z", "long");
    const over = at("2026-11-20T12:00:00Z", "2026-11-20T13:00:00Z", "over");
    expect(rowsOf([long, over], start, end).get("dag")).toMatchObject([{ left: 0, width: 1 }]);
  });
  test("how many at once", () => {
    const load = loadOf([first, second, third, skipped], start, 24);
    expect(load.slice(5, 16)).toEqual([0, 1, 1, 1, 2, 2, 2, 2, 2, 2, 0]);
  });
});

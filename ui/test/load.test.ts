import { expect, test } from "vitest";
import type { LoadHour, PoolLoad } from "../src/api";
import { byNeed, daysIn, fullestOf, gridOf, hourText, partOf, slotsText, stepsOf } from "../src/load";

const HOUR = 3_600_000;

function anHour(start: string, change: Partial<LoadHour> = {}): LoadHour {
  return {
    start,
    expected: 0,
    peak: 0,
    waiting: 0,
    longest_wait_seconds: 0,
    wait_at_least: false,
    unknown_runs: 0,
    used: null,
    usual: null,
    usual_high: null,
    weeks: 0,
    rests_on: null,
    dags: [],
    more_dags: 0,
    ...change,
  };
}

function aPool(start: string, expected: (number | null)[], change: Partial<PoolLoad> = {}): PoolLoad {
  const hours = expected.map((each, n) =>
    anHour(new Date(Date.parse(start) + n * HOUR).toISOString(), { expected: each, peak: each }),
  );
  return { name: "work", slots: 4, in_use: 0, waiting: 0, hours, ...change };
}

test("hours go by the clocks of the zone, also as these change", () => {
  // Berlin, 25 October 2026: it is 02:00 twice; 28 March 2027: it never is.
  const autumn = aPool("2026-10-24T22:00:00Z", [0, 1, 2, 5, 4]);
  const [day = []] = gridOf(autumn, ["2026-10-25"], "Europe/Berlin");
  expect(day.slice(0, 5).map((hour) => hour?.expected)).toEqual([0, 1, 5, 4, undefined]);
  const spring = aPool("2027-03-27T23:00:00Z", [0, 1, 2]);
  const [other = []] = gridOf(spring, ["2027-03-28"], "Europe/Berlin");
  expect(other.slice(0, 5).map((hour) => hour?.expected)).toEqual([0, 1, undefined, 2, undefined]);
});

test("a line of steps has holes where nothing is known", () => {
  expect(stepsOf([0, 2, null, 4], 4)).toBe("M0 100V100H1V50H2V100ZM3 100V0H4V100Z");
  expect(stepsOf([9], 4)).toBe("M0 100V0H1V100Z");
});

test.each([
  [{ expected: 2, peak: 3 }, "2 of 4 slots expected, 3 at most"],
  [{ expected: null, used: 0.04 }, "<0.1 of 4 slots were in use"],
  [{ expected: null }, "not known"],
  [
    { expected: 4, peak: 4, longest_wait_seconds: 1200, unknown_runs: 1 },
    "4 of 4 slots expected, 4 at most, waits of up to 20 min, and 1 run of which nothing is known yet",
  ],
  [
    { expected: 4, peak: 4, longest_wait_seconds: 30, wait_at_least: true },
    "4 of 4 slots expected, 4 at most, waits of at least 30 s",
  ],
])("an hour in a sentence: %j", (change, text) => {
  const at = "2026-11-30T02:00:00Z";
  expect(hourText(anHour(at, change), aPool(at, []), "UTC")).toBe(`Mon 30 Nov 02:00: ${text}`);
});

test("how full it is, also without an end", () => {
  const hour = anHour("2026-11-30T02:00:00Z", { expected: 2 });
  expect(partOf(hour, aPool("2026-11-30T02:00:00Z", []), 100)).toBe(0.5);
  expect(partOf(hour, aPool("2026-11-30T02:00:00Z", [], { slots: -1 }), 8)).toBe(0.25);
  expect(partOf(hour, aPool("2026-11-30T02:00:00Z", [], { slots: 0 }), 0)).toBe(0);
  expect([0, 0.05, 2.34, 12.6].map(slotsText)).toEqual(["0", "<0.1", "2.3", "13"]);
});

test("first comes where most waits, then what gets fullest", () => {
  const at = "2026-11-30T00:00:00Z";
  const waiting = aPool(at, [1, 4], { name: "waiting" });
  if (waiting.hours[1]) waiting.hours[1].waiting = 2;
  const pools = [aPool(at, [1], { name: "low" }), aPool(at, [3], { name: "high" }), waiting];
  expect(byNeed(pools).map(({ name }) => name)).toEqual(["waiting", "high", "low"]);
  expect(fullestOf(waiting)?.start).toBe("2026-11-30T01:00:00.000Z");
  expect(fullestOf(aPool(at, [0, null]))).toBeNull();
});

test("days begin where they do in the zone", () => {
  const { hours } = aPool("2026-11-29T22:00:00Z", [0, 0, 0, 0]);
  expect(daysIn(hours, "Europe/Berlin")).toEqual([
    { day: "2026-11-29", left: 0 },
    { day: "2026-11-30", left: 0.25 },
  ]);
});

import { expect, test } from "vitest";
import type { Arguments } from "../src/api";
import { changesOf, compare, formOf } from "../src/whatif";
import { aRun } from "./runs";

const GIVEN: Arguments = {
  windows: ["mon-fri 19:00-07:00", "sat-sun"],
  blackouts: ["team", "holidays DE", "ops"],
  window_calendars: [],
  blackout_calendars: ["team", "ops"],
  duration_seconds: 5400,
  when_blocked: "postpone",
  max_delay_seconds: 604800,
  coalesce: true,
  keep_hour: false,
  place: false,
  staggered_by_seconds: 0,
};

test("an untouched form changes nothing", () => expect(changesOf(formOf(GIVEN), GIVEN)).toEqual({}));

test.each([
  [{ windows: "sat-sun \n\n" }, { windows: ["sat-sun"] }],
  [{ windows: "" }, { windows: [] }],
  [{ blackoutCalendars: ["ops"] }, { blackouts: ["holidays DE", "ops"] }],
  [{ blackouts: "mon" }, { blackouts: ["mon", "team", "ops"] }],
  [{ hours: "0.25" }, { duration_seconds: 900 }],
  [{ when_blocked: "skip" }, { when_blocked: "skip" }],
  [{ delayHours: "48" }, { max_delay_seconds: 172800 }],
  [{ staggerMinutes: "30" }, { stagger_seconds: 1800 }],
  [{ coalesce: false }, { coalesce: false }],
  [{ keep_hour: true }, { keep_hour: true }],
])("%j is sent as %j, and nothing else", (change, sent) => {
  expect(changesOf({ ...formOf(GIVEN), ...change }, GIVEN)).toEqual(sent);
});

test("plans are compared tick by tick, as far as both reach", () => {
  const [a, b, c] = ["2026-11-21T01:00:00Z", "2026-11-22T01:00:00Z", "2026-11-23T01:00:00Z"].map((due) =>
    aRun({ due }),
  );
  const later = { ...b, start: "2026-11-22T05:00:00Z" };
  const rows = compare([a, b, c] as never, [a, later] as never);
  expect(rows.map((row) => [row.due, row.after?.start, row.moves])).toEqual([
    [a?.due, a?.start, false],
    [b?.due, later.start, true],
  ]);
});

import { describe, expect, test, vi } from "vitest";
import type { Reason, Run } from "../src/api";
import { afterTexts, endsTooLate, reasonTexts, sentence, whenText } from "../src/reasons";
import { aRun } from "./runs";

vi.setSystemTime("2026-11-21T12:00:00Z");

const why = (change: Partial<Reason>): Reason => ({
  kind: "blackout",
  calendar: null,
  event: null,
  start: null,
  end: null,
  needed_seconds: null,
  detail: null,
  zone: null,
  text: "as the API says",
  ...change,
});
const review = why({ calendar: "team", event: "Design review", end: "2026-11-21T14:24:00Z" });
const nights = why({
  kind: "outside_windows",
  detail: "daily 19:00-07:00",
  zone: "Europe/Berlin",
  end: "2026-11-21T18:00:00Z",
});
const short = { start: "2026-11-21T04:00:00Z", end: "2026-11-21T06:00:00Z", needed_seconds: 10800 };

const told = (zone: string, ...reasons: Reason[]) => reasonTexts(aRun({ reasons }), zone);

describe("reasons in the chosen zone", () => {
  test.each([
    ["Europe/Berlin", "15:24", "daily 19:00-07:00 until 19:00"],
    ["America/New_York", "09:24", "daily 19:00-07:00 (Europe/Berlin) until 13:00"],
    ["Asia/Kolkata", "19:54", "daily 19:00-07:00 (Europe/Berlin) until 23:30"],
  ])("%s", (zone, until, rule) => {
    const near = zone === "America/New_York" ? "Sat 21 Nov " : ""; // there the run is due the day before
    expect(told(zone, review, nights)).toEqual([
      `blocked by "Design review" (team) until ${near}${until}`,
      `outside ${rule.replace("until ", `until ${near}`)}`,
    ]);
  });
  test("each kind", () => {
    expect(
      told(
        "UTC",
        why({ kind: "too_short", ...short, calendar: "team" }),
        why({ kind: "too_short", ...short }),
        why({ kind: "combined", start: "2026-11-21T15:24:00Z" }),
        why({ kind: "note", calendar: "team", detail: "cannot be read" }),
        why({ kind: "run_anyway", text: "runs anyway" }),
        why({ end: null, calendar: "team" }),
      ),
    ).toEqual([
      "needs 3 h, but only 2 h are open from 04:00 (then blocked by team)",
      "needs 3 h, but only 2 h are open from 04:00 (then outside windows)",
      "combined with the 15:24 run",
      "team cannot be read",
      "runs anyway",
      "blocked by team",
    ]);
  });
});

describe("one sentence", () => {
  const says = (change: Partial<Run>) => sentence(aRun(change), "Europe/Berlin").replace(/^.*?Nov( 2026)? /, "");
  test.each<[Partial<Run>, string]>([
    [{}, "02:00; starts on time."],
    [{ paused: true }, "02:00; will not start: the DAG is paused."],
    [
      { start: "2026-11-21T14:24:00Z", reasons: [review] },
      '02:00, blocked by "Design review" (team) until 15:24; starts 15:24.',
    ],
    [{ state: "running", start: "2026-11-21T01:00:09Z" }, "02:00; running since 02:00:09."],
    [{ state: "success" }, "02:00; started on time, succeeded after 1 h."],
    [{ state: "skipped", start: null }, "02:00; does not run."],
    [{ state: "queued", paused: true }, "02:00; will not start: the DAG is paused."],
  ])("%j", (change, expected) => expect(says(change)).toBe(expected));
  test("of many", () => {
    const collapsed = { count: 3, every_seconds: 120 };
    expect(sentence(aRun({ collapsed }), "UTC")).toMatch(/^3 runs, every 2 min, .* 01:00 to 01:04; all planned\.$/);
    const skipped = aRun({ collapsed, start: null, state: "skipped", outcome: "coalesced" });
    expect(sentence(skipped, "UTC")).toMatch(/^3 due times, every 2 min, .*; none of them runs\.$/);
  });
});

describe("what comes after its start", () => {
  const run = aRun({
    window_end: "2026-11-21T06:00:00Z",
    next_blackout: {
      start: "2026-11-22T23:00:00Z",
      calendar: "team",
      event: "Release freeze",
      detail: null,
      zone: null,
    },
    spare_seconds: 4 * 3600,
  });
  test("whether it ends in time", () => {
    expect(whenText(run, "Europe/Berlin")).toBe("02:00–03:00 (about 1 h)");
    expect(afterTexts(run, "Europe/Berlin")).toEqual([
      "window ends 07:00",
      "next blackout Mon 00:00 Release freeze",
      "4 h spare",
    ]);
    expect(afterTexts({ ...run, spare_at_least: true }, "UTC").at(-1)).toBe("at least 4 h spare");
    expect(endsTooLate(run)).toBe(false);
  });
  test("where it does not", () => {
    const late = { ...run, spare_seconds: -1800 };
    expect([afterTexts(late, "UTC").at(-1), endsTooLate(late)]).toEqual(["expected to end 30 min too late", true]);
  });
});

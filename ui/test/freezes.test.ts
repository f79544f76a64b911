import { describe, expect, test } from "vitest";
import type { Freeze, Override } from "../src/api";
import { beginsText, freezeName, heldText, howText, nextPeriod, passing, periodOf } from "../src/freezes";

const FREEZE: Freeze = {
  label: "change_freeze",
  title: null,
  start: "2026-11-21T12:00:00Z",
  end: null,
  in_force: true,
  dags: 12,
  exempted: 0,
  exempt_tags: [],
  by_hand: true,
};

test("a freeze is called by its event where titles are shown", () => {
  expect(freezeName(FREEZE)).toBe("change_freeze");
  expect(freezeName({ ...FREEZE, title: "Year's end" })).toBe("Year's end (change_freeze)");
});

test.each([
  [{ dags: 12, exempted: 0 }, "It holds 12 DAGs."],
  [{ dags: 1, exempted: 1 }, "It holds 1 DAG; 1 is exempt for a time."],
  [{ dags: 0, exempted: 2 }, "It holds 0 DAGs; 2 are exempt for a time."],
])("what it holds: %o", (some, text) => {
  expect(heldText({ ...FREEZE, ...some })).toBe(text);
});

describe("what passes it", () => {
  test("runs by hand only where the rule lets them", () => {
    expect(passing(FREEZE, { reason_required: false })[0]).toBe("runs by hand");
    expect(passing(FREEZE, { reason_required: true })[0]).toBe("runs by hand, with a reason");
    expect(passing({ ...FREEZE, by_hand: false }, { reason_required: true })[0]).toContain("ignore_calendar");
  });
  test("DAGs with tags", () => {
    const tags = { ...FREEZE, exempt_tags: ["no-freeze", "urgent"] };
    expect(passing(tags, { reason_required: false })).toContain("DAGs tagged no-freeze or urgent");
    expect(passing(FREEZE, { reason_required: false }).join()).not.toContain("tagged");
  });
});

test.each([
  ["2026-11-21T08:39:30Z", "begins in 3 h 20 min"],
  ["2026-11-21T11:59:50Z", "begins in 1 min"],
])("how soon it begins: %s", (now, text) => {
  expect(beginsText(FREEZE, new Date(now))).toBe(text);
});

test("how somebody passed", () => {
  const one = { how: "by_hand", refused: false } as Override;
  expect(howText(one)).toBe("run by hand");
  expect(howText({ ...one, how: "conf", refused: true })).toBe("ignore_calendar, refused");
});

test.each([
  ["2026-11-21T12:00:00.000Z/2026-11-21T16:00:00.000Z", true],
  ["2026-11-21T13:00+01:00/2026-11-21T16:00Z", true],
  ["2026-11-21T16:00Z/2026-11-21T12:00Z", false],
  ["2026-11-21T12:00Z/2026-11-21T12:00Z", false],
  ["2026-11-21T12:00Z", false],
  ["soon/later", false],
  ["", false],
  [null, false],
])("a period in an address: %s", (text, known) => {
  const period = known ? ["2026-11-21T12:00:00.000Z", "2026-11-21T16:00:00.000Z"] : null;
  expect(periodOf(text)).toEqual(period);
});

test("a plan begins with four hours to come", () => {
  const period = ["2026-11-21T13:00:00.000Z", "2026-11-21T17:00:00.000Z"];
  expect(nextPeriod(new Date("2026-11-21T12:00:01Z"))).toEqual(period);
});

import { describe, expect, test, vi } from "vitest";
import { rangeOf } from "../src/range";
import {
  addDays,
  addMonths,
  clockHours,
  clockText,
  dayOf,
  durationText,
  instantAt,
  isZone,
  localOf,
  momentText,
  monday,
  rangeText,
  reachText,
  startOfDay,
} from "../src/times";

vi.setSystemTime("2026-11-21T12:00:00Z");

describe("the first instant of a local day", () => {
  test.each([
    ["2026-11-21", "UTC", "2026-11-21T00:00:00.000Z"],
    ["2026-11-21", "Europe/Berlin", "2026-11-20T23:00:00.000Z"],
    ["2026-07-01", "Europe/Berlin", "2026-06-30T22:00:00.000Z"],
    ["2026-03-29", "Europe/Berlin", "2026-03-28T23:00:00.000Z"], // clocks change at 02:00
    ["2026-03-30", "Europe/Berlin", "2026-03-29T22:00:00.000Z"],
    ["2026-10-25", "Europe/Berlin", "2026-10-24T22:00:00.000Z"],
    ["2026-10-26", "Europe/Berlin", "2026-10-25T23:00:00.000Z"],
    ["2026-11-01", "America/New_York", "2026-11-01T04:00:00.000Z"],
    ["2026-11-02", "America/New_York", "2026-11-02T05:00:00.000Z"],
    ["2026-11-21", "Asia/Kathmandu", "2026-11-20T18:15:00.000Z"],
    ["2026-09-06", "America/Santiago", "2026-09-06T04:00:00.000Z"], // has no midnight: 00:00 is 01:00
    ["2026-11-01", "America/Havana", "2026-11-01T04:00:00.000Z"], // its midnight comes twice
    ["2026-11-21", "Pacific/Kiritimati", "2026-11-20T10:00:00.000Z"],
    ["2026-11-21", "Pacific/Niue", "2026-11-21T11:00:00.000Z"],
  ])("%s in %s", (day, zone, expected) => {
    const found = startOfDay(day, zone);
    expect(found.toISOString()).toBe(expected);
    expect(dayOf(found, zone)).toBe(day);
    expect(dayOf(new Date(found.getTime() - 1000), zone)).not.toBe(day);
  });
});

test.each([
  ["2026-11-20T23:00:00Z", "Europe/Berlin", "Sat 21 Nov 00:00"],
  ["2026-11-20T23:00:00Z", "UTC", "Fri 20 Nov 23:00"],
  ["2026-11-20T23:00:07Z", "America/New_York", "Fri 20 Nov 18:00:07"],
  ["2026-10-25T00:30:00Z", "Europe/Berlin", "Sun 25 Oct 02:30"],
  ["2026-10-25T01:30:00Z", "Europe/Berlin", "Sun 25 Oct 02:30"],
])("%s in %s reads %s", (instant, zone, text) => {
  expect(momentText(instant, zone)).toBe(text);
  expect(text.endsWith(clockText(instant, zone))).toBe(true);
});

test.each([
  [0, "0 s"],
  [45, "45 s"],
  [300, "5 min"],
  [5400, "1 h 30 min"],
  [86400, "1 d"],
  [-7200, "2 h"],
  [93784, "1 d 2 h"],
])("%d seconds read %s", (seconds, text) => expect(durationText(seconds)).toBe(text));

test("days, weeks and months", () => {
  expect(monday("2026-11-21")).toBe("2026-11-16");
  expect(monday("2026-11-16")).toBe("2026-11-16");
  expect(addMonths("2026-12-31", 1)).toBe("2027-01-01");
  expect(addMonths("2026-01-15", -1)).toBe("2025-12-01");
  expect(rangeText("2026-11-21", "2026-11-22")).toBe("Sat 21 Nov 2026");
  expect(rangeText("2026-11-16", "2026-11-23")).toMatch(/^16\s*–\s*22 Nov 2026$/u);
});

test("zones that are none", () => {
  expect(isZone("Europe/Berlin")).toBe(true);
  expect(isZone("Europe/Nowhere")).toBe(false);
  expect(isZone("")).toBe(false);
});

test.each([
  ["2026-11-21T19:30", "Europe/Berlin", "2026-11-21T18:30:00.000Z"],
  ["2026-11-21T19:30", "America/New_York", "2026-11-22T00:30:00.000Z"],
  ["2026-10-25T02:30", "Europe/Berlin", "2026-10-25T00:30:00.000Z"], // the first of two
])("%s in %s", (local, zone, instant) => {
  expect(instantAt(local, zone).toISOString()).toBe(instant);
  expect(localOf(instant, zone)).toBe(local);
  expect(clockHours(instant, zone)).toBe(Number(local.slice(11, 13)) + 0.5);
});

test("another year is told", () => {
  expect(momentText("2027-02-24T15:22:00Z", "UTC")).toBe("Wed 24 Feb 2027 15:22");
});

const asked = { zoom: 24, narrow: false, zone: "Europe/Berlin", now: new Date("2026-11-21T12:34:00Z") } as const;

test.each([
  ["agenda", false, "2026-11-21", "2026-11-28", "2026-11-14", "2026-11-28"],
  ["week", false, "2026-11-16", "2026-11-23", "2026-11-14", "2026-11-28"],
  ["week", true, "2026-11-21", "2026-11-24", "2026-11-18", "2026-11-24"],
  ["month", false, "2026-10-26", "2026-12-07", "2026-10-01", "2026-12-01"],
] as const)("%s, narrow %s, shows %s to %s", (view, narrow, first, end, previous, next) => {
  const range = rangeOf({ ...asked, view, narrow, date: "2026-11-21" });
  expect(range).toMatchObject({ first, previous, next, end: startOfDay(end, "Europe/Berlin").toISOString() });
  expect(addDays(first, range.days)).toBe(end);
});

test("the timeline and the list begin now, unless another time is asked for", () => {
  for (const view of ["timeline", "agenda"] as const)
    expect(rangeOf({ ...asked, view, date: null }).start).toBe("2026-11-21T12:00:00.000Z");
  expect(rangeOf({ ...asked, view: "agenda", date: "2026-11-25T18:00" }).start).toBe("2026-11-25T17:00:00.000Z");
  expect(rangeOf({ ...asked, view: "timeline", zoom: 6, date: null })).toMatchObject({
    end: "2026-11-21T18:00:00.000Z",
    previous: "2026-11-21T07:00",
    next: "2026-11-21T19:00",
    title: "Sat 21 Nov 13:00 to 19:00",
  });
  expect(rangeOf({ ...asked, view: "agenda", date: null }).previous).toBe("2026-11-21"); // all of today
});

test.each([
  ["2026-11-30T23:00:00Z", "2026-12-01T23:00:00Z", false, "may cover Tue 1 Dec 2026"],
  ["2026-11-30T23:00:00Z", null, false, "may cover Tue 1 Dec 2026 and later"],
  ["2026-12-01T09:00:00Z", "2026-12-01T09:00:00Z", true, "counted all the same, Tue 1 Dec 2026"],
  [null, null, false, "may cover any day"],
  ["1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z", false, "covers no time"],
])("the days of a problem from %s to %s", (start, end, counted, expected) => {
  expect(reachText({ start, end, counted }, "Europe/Berlin")).toBe(expected);
});

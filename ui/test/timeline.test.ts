import { expect, test } from "vitest";
import { selected } from "../src/timeline";

const HOUR = 3_600_000;
const MIDNIGHT = Date.parse("2026-11-21T00:00:00Z");

test.each([
  ["from left to right", 0.25, 0.5, 6, 12],
  ["from right to left", 0.5, 0.25, 6, 12],
  ["whole quarters of an hour", 0.2501, 0.4999, 6, 12],
  ["a click is a quarter", 0.25, 0.25, 6, 6.25],
  ["not past the ends", -0.5, 1.5, 0, 24],
])("what is drawn over: %s", (_, one, other, from, to) => {
  const hours = selected(one, other, MIDNIGHT, MIDNIGHT + 24 * HOUR).map((at) => (at - MIDNIGHT) / HOUR);
  expect(hours).toEqual([from, to]);
});

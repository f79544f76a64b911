import { expect, test } from "vitest";
import { byCode, gainText, knownText } from "../src/advice";

test("a gain is told with one digit at most", () => {
  expect(gainText({ what: "slots", before: 8, after: 4.25 })).toBe("8 → 4.3");
});

test("a line that goes into several files is shown once", () => {
  const lines = ["a", "b", "c"].map((dag_id) => ({ dag_id, code: dag_id === "b" ? "place=True," : "duration=…" }));
  expect(byCode(lines).map((each) => each.map((line) => line.dag_id))).toEqual([["a", "c"], ["b"]]);
  expect(byCode([])).toEqual([]);
});

test("what is known is told, and what is not", () => {
  const all = { advice: [], partial: false, left_out: 0 };
  expect(knownText({ ...all, known_dags: 1, unknown_dags: 0 })).toBe("Runs of 1 DAG are on record.");
  expect(knownText({ ...all, known_dags: 3, unknown_dags: 2 })).toBe(
    "Runs of 3 DAGs are on record, of 2 more none yet.",
  );
});

import { expect, test } from "vitest";

const SOURCES: Record<string, string> = import.meta.glob("../src/**/*.{css,tsx}", {
  query: "?raw",
  import: "default",
  eager: true,
});
const SHELL = "../src/styles/shell.css";

test("the shell defines every colour of Airflow that the page uses, in both themes", () => {
  const others = Object.entries(SOURCES).filter(([name]) => name !== SHELL);
  const used = others.flatMap(([, text]) => text.match(/--chakra-colors-[a-z-]+/g) ?? []);
  const [light = "", dark = ""] = SOURCES[SHELL]?.split("html.dark") ?? [];
  expect(used.length).toBeGreaterThan(30);
  for (const theme of [light, dark]) {
    expect([...new Set(used)].filter((name) => !theme.includes(`${name}:`))).toEqual([]);
  }
});

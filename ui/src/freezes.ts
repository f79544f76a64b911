// What a freeze says in words: what is closed, for whom, and what passes it.
import type { Freeze, Freezes, Override } from "./api";
import { durationText } from "./times";

/** "change_freeze", or "Year's end (change_freeze)" where titles are shown. */
export const freezeName = (freeze: Freeze): string =>
  freeze.title ? `${freeze.title} (${freeze.label})` : freeze.label;

/** "It holds 12 DAGs; 1 is exempt for a time." */
export function heldText({ dags, exempted }: Freeze): string {
  const exempt = exempted === 0 ? "" : `; ${exempted} ${exempted === 1 ? "is" : "are"} exempt for a time`;
  return `It holds ${dags === 1 ? "1 DAG" : `${dags} DAGs`}${exempt}.`;
}

/** What passes a freeze, each in a few words. */
export function passing(freeze: Freeze, { reason_required }: Pick<Freezes, "reason_required">): string[] {
  return [
    ...(freeze.by_hand ? [`runs by hand${reason_required ? ", with a reason" : ""}`] : []),
    'runs with {"ignore_calendar": "why"}',
    ...(freeze.exempt_tags.length ? [`DAGs tagged ${freeze.exempt_tags.join(" or ")}`] : []),
    "DAGs that are exempted on their page, by people who may edit them",
  ];
}

/** "begins in 3 h 20 min". */
export const beginsText = (freeze: Freeze, now: Date): string =>
  `begins in ${durationText(Math.max(60, Math.floor((Date.parse(freeze.start) - now.getTime()) / 60_000) * 60))}`;

/** How something passed closed time. */
export function howText(one: Override): string {
  const how = {
    by_hand: "run by hand",
    conf: "ignore_calendar",
    exemption: "exemption",
    command: "airflow tasks test",
  }[one.how];
  return one.refused ? `${how}, refused` : how;
}

/** Two instants. */
export type Period = readonly [start: string, end: string];

export const isPeriod = ([start, end]: Period): boolean => Date.parse(start) < Date.parse(end);

/** The period in an address, as ISO 8601 writes an interval; null where it is none. */
export function periodOf(text: string | null): Period | null {
  const [start = "", end = ""] = text?.split("/") ?? [];
  return isPeriod([start, end]) ? [new Date(start).toISOString(), new Date(end).toISOString()] : null;
}

/** What a plan begins with: four hours from the next full one on. */
export function nextPeriod(now: Date): Period {
  const start = Math.ceil(now.getTime() / HOUR) * HOUR;
  return [new Date(start).toISOString(), new Date(start + 4 * HOUR).toISOString()];
}

const HOUR = 3_600_000;

// Advice in words, without React.
import type { Advice, AdviceGain, AllAdvice, LineToCopy } from "./api";

export const KIND_NAMES: Record<Advice["kind"], string> = {
  duration: "Duration",
  start: "Start",
  stagger: "Stagger",
  conflict: "Conflict",
};

const number = (value: number): string => `${Math.round(value * 10) / 10}`;

export const gainText = (gain: AdviceGain): string => `${number(gain.before)} → ${number(gain.after)}`;

/** Lines that say the same go into several files. */
export function byCode(lines: LineToCopy[]): LineToCopy[][] {
  const found = new Map<string, LineToCopy[]>();
  for (const line of lines) found.set(line.code, [...(found.get(line.code) ?? []), line]);
  return [...found.values()];
}

export function knownText({ known_dags, unknown_dags }: AllAdvice): string {
  const known = `Runs of ${known_dags} ${known_dags === 1 ? "DAG" : "DAGs"} are on record`;
  return unknown_dags > 0 ? `${known}, of ${unknown_dags} more none yet.` : `${known}.`;
}

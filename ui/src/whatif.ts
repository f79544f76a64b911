// The what-if form's values, and what of them differs from the schedule in force.
import type { Arguments, Run } from "./api";

export interface Form {
  windows: string;
  blackouts: string;
  /** Labels of the calendars that stay. */
  windowCalendars: string[];
  blackoutCalendars: string[];
  hours: string;
  when_blocked: string;
  delayHours: string;
  staggerMinutes: string;
  coalesce: boolean;
  keep_hour: boolean;
}

export function formOf(given: Arguments): Form {
  return {
    windows: rulesOf(given.windows, given.window_calendars),
    blackouts: rulesOf(given.blackouts, given.blackout_calendars),
    windowCalendars: given.window_calendars,
    blackoutCalendars: given.blackout_calendars,
    hours: hoursText(given.duration_seconds),
    when_blocked: given.when_blocked,
    delayHours: hoursText(given.max_delay_seconds),
    staggerMinutes: "",
    coalesce: given.coalesce,
    keep_hour: given.keep_hour,
  };
}

/** What is a line to edit: the calendars among the members have boxes of their own. */
const rulesOf = (members: string[] | null, calendars: string[]): string =>
  (members ?? []).filter((member) => !calendars.includes(member)).join("\n");

const hoursText = (seconds: number): string => `${Math.round(seconds / 36) / 100}`;

const linesOf = (text: string): string[] =>
  text
    .split("\n")
    .map((line) => line.trim())
    .filter(Boolean);

/** Only what was changed: the rest stays as the DAG has it, also where this form could not say it. */
export function changesOf(form: Form, given: Arguments): Record<string, unknown> {
  const was = formOf(given);
  const changes: Record<string, unknown> = {};
  const changed = (...names: (keyof Form)[]) => names.some((name) => `${form[name]}` !== `${was[name]}`);
  if (changed("windows", "windowCalendars")) changes.windows = [...linesOf(form.windows), ...form.windowCalendars];
  if (changed("blackouts", "blackoutCalendars"))
    changes.blackouts = [...linesOf(form.blackouts), ...form.blackoutCalendars];
  if (changed("hours")) changes.duration_seconds = Math.round(Number(form.hours) * 3600);
  if (changed("when_blocked")) changes.when_blocked = form.when_blocked;
  if (changed("delayHours")) changes.max_delay_seconds = Math.round(Number(form.delayHours) * 3600);
  if (changed("staggerMinutes")) changes.stagger_seconds = Math.round(Number(form.staggerMinutes) * 60);
  if (changed("coalesce")) changes.coalesce = form.coalesce;
  if (changed("keep_hour")) changes.keep_hour = form.keep_hour;
  return changes;
}

export interface Compared {
  due: string;
  before: Run | undefined;
  after: Run | undefined;
  moves: boolean;
}

/** Both plans, one due time after the other, as far as both reach. */
export function compare(current: Run[], plan: Run[]): Compared[] {
  const reach = Math.min(...[current, plan].map((runs) => Date.parse(runs.at(-1)?.due ?? "9999-01-01T00:00:00Z")));
  const [before, after] = [current, plan].map((runs) => new Map(runs.map((run) => [run.due, run])));
  const dues = [...new Set([...current, ...plan].map((run) => run.due))].filter((due) => Date.parse(due) <= reach);
  return dues
    .sort((a, b) => Date.parse(a) - Date.parse(b))
    .map((due) => {
      const [was, is] = [before?.get(due), after?.get(due)];
      return { due, before: was, after: is, moves: was?.start !== is?.start };
    });
}

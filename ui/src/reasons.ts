// Why a run starts when it does, and what comes after it: sentences in the zone that people chose.
import type { Blackout, Reason, Run, Span } from "./api";
import { clockText, dayOf, durationText, momentText, nearText } from "./times";

/** A rule as it is written, with the zone that it is written in where that is not the chosen one. */
const ruleText = (rule: string, written: string | null, zone: string): string =>
  written && written !== zone ? `${rule} (${written})` : rule;

export const spanText = (span: Span, zone: string): string =>
  span.title ? `"${span.title}" (${span.label})` : ruleText(span.label, span.zone, zone);

/** Who closes time: "Design review" (team_calendar), or a rule. */
function nameText(who: Reason | Blackout, zone: string): string {
  if (who.event) return `"${who.event}" (${who.calendar ?? who.detail})`;
  return who.calendar ?? ruleText(who.detail ?? "", who.zone, zone);
}

/** One reason: blocked by "Design review" (team_calendar) until 15:24. */
export function reasonText(reason: Reason, run: Run, zone: string): string {
  const at = (instant: string) => nearText(instant, run.due, zone);
  const until = reason.end ? ` until ${at(reason.end)}` : "";
  const needed = durationText(reason.needed_seconds ?? 0);
  const { start, end } = reason;
  switch (reason.kind) {
    case "blackout":
      return `blocked by ${nameText(reason, zone)}${until}`;
    case "outside_windows":
      return `outside ${nameText(reason, zone)}${until}`;
    case "too_short": {
      const then = nameText(reason, zone) ? `blocked by ${nameText(reason, zone)}` : "outside windows";
      if (!start || !end) return `needs ${needed}`;
      return `needs ${needed}, but only ${durationText(seconds(start, end))} are open from ${at(start)} (then ${then})`;
    }
    case "combined":
      return start ? `combined with the ${at(start)} run` : "combined with the next run";
    case "unknown":
      return start ? `no available slot is known: calendars are read until ${at(start)}` : reason.text;
    case "note":
      return [reason.calendar, reason.detail].filter(Boolean).join(" ");
    default:
      return reason.text; // which tells no time of day
  }
}

export const reasonTexts = (run: Run, zone: string): string[] =>
  run.reasons.map((reason) => reasonText(reason, run, zone));

const seconds = (from: string, to: string): number => (Date.parse(to) - Date.parse(from)) / 1000;

/** One sentence: "Due Sat 21 Nov 02:00, blocked by team_calendar until 05:00; starts 05:00." */
export function sentence(run: Run, zone: string): string {
  const why = reasonTexts(run, zone);
  const head = run.collapsed ? manyText(run, zone) : `${causeText(run)} ${momentText(run.due, zone)}`;
  return `${[head, ...why].join(", ")}; ${outcomeText(run, zone)}.`;
}

function causeText(run: Run): string {
  if (run.run_type === "manual") return "Triggered by hand";
  return run.run_type === "asset_triggered" ? "Triggered by assets" : "Due";
}

/** "144 runs, every 10 min, Sat 21 Nov 00:00 to 23:50". */
function manyText(run: Run, zone: string): string {
  const { count = 1, every_seconds: every = 0 } = run.collapsed ?? {};
  const first = run.start ?? run.due;
  const last = new Date(Date.parse(first) + every * 1000 * (count - 1)).toISOString();
  const what = run.start ? "runs" : "due times";
  return `${count} ${what}, every ${durationText(every)}, ${momentText(first, zone)} to ${nearText(last, first, zone)}`;
}

function outcomeText(run: Run, zone: string): string {
  if (!run.start || run.state === "skipped") return run.collapsed ? "none of them runs" : "does not run";
  if (run.paused && (run.state === "planned" || run.state === "queued")) return "will not start: the DAG is paused";
  const same = Math.floor(Date.parse(run.start) / 1000) === Math.floor(Date.parse(run.due) / 1000);
  const at = same ? "on time" : nearText(run.start, run.due, zone);
  if (run.collapsed) return run.state === "planned" ? "all planned" : run.state;
  if (run.state === "planned") return run.late ? `was to start ${same ? "then" : at}` : `starts ${at}`;
  if (run.state === "queued") return `queued, to start ${at}`;
  if (run.state === "running") return same ? "running since then" : `running since ${at}`;
  const took = run.end ? ` after ${durationText(seconds(run.start, run.end))}` : "";
  return `started ${at}, ${run.state === "success" ? "succeeded" : "failed"}${took}`;
}

/** "18:00–19:00 (about 1 h)": when it runs, as far as that is known. */
export function whenText(run: Run, zone: string): string {
  const at = run.start ?? run.due;
  if (!run.end || run.end <= at || run.collapsed) return clockText(at, zone);
  const about = run.end_estimated ? "about " : "";
  const end = `${minutes(run.end, at, zone)}`;
  return `${clockText(at, zone)}–${end} (${about}${durationText(seconds(at, run.end))})`;
}

/** Ends are told to the minute, and without their date: "07:00", "Wed 07:00". */
function minutes(instant: string, near: string, zone: string): string {
  const clock = clockText(instant, zone).slice(0, 5);
  const day = dayOf(instant, zone);
  if (day === dayOf(near, zone)) return clock;
  const far = Math.abs(Date.parse(instant) - Date.parse(near)) > 6 * 86_400_000;
  const moment = momentText(instant, zone);
  return `${far ? moment.slice(0, moment.lastIndexOf(" ")) : moment.slice(0, 3)} ${clock}`;
}

/** Whether it is expected to go on after time has closed. */
export const endsTooLate = (run: Run): boolean => run.spare_seconds !== null && run.spare_seconds < 0;

/** What comes after its start: ["window ends 07:00", "next blackout Wed 00:00 Release freeze", "12 h spare"]. */
export function afterTexts(run: Run, zone: string): string[] {
  const at = run.start ?? run.due;
  const said: string[] = [];
  if (run.window_end) said.push(`window ends ${minutes(run.window_end, at, zone)}`);
  if (run.next_blackout) {
    const { start, event } = run.next_blackout;
    said.push(`next blackout ${minutes(start, at, zone)} ${event ?? nameText(run.next_blackout, zone)}`);
  }
  if (run.spare_seconds !== null) said.push(spareText(run));
  return said;
}

export function spareText(run: Run): string {
  const spare = run.spare_seconds ?? 0;
  if (spare < 0) return `expected to end ${durationText(-spare)} too late`;
  if (spare === 0) return "no time to spare";
  return `${run.spare_at_least ? "at least " : ""}${durationText(spare)} spare`;
}

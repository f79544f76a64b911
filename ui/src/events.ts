// Runs and spans as FullCalendar's events.
import type { EventInput } from "@fullcalendar/react";
import type { Run, Span } from "./api";
import type { View } from "./place";
import { addDays, dayOf } from "./times";

/** Whether its schedule moved a run; one that merely started some seconds late was not. */
export const isMoved = (run: Run): boolean => run.start !== null && ["postponed", "advanced"].includes(run.outcome);

/** The class that gives a run its colours: its state, and of the planned ones whether it was moved. */
export function toneOf(run: Run): string {
  const moved = run.state === "planned" && (isMoved(run) || run.outcome === "forced");
  return moved ? "ct-moved" : `ct-${run.state}`;
}

/** One word for what became of a run. */
export function stateText(run: Run): string {
  if (run.state === "skipped") return run.outcome === "coalesced" ? "merged into the next" : "skipped";
  if (run.state !== "planned") return run.state;
  return { on_time: "planned", forced: "runs all the same" }[run.outcome as string] ?? run.outcome;
}

export function eventsOf(runs: Run[], view: View, zone: string): EventInput[] {
  return runs.flatMap((run) => {
    const at = run.start ?? run.due;
    const event: EventInput = {
      id: run.id,
      title: run.dag_display_name,
      start: at,
      interactive: true,
      color: "var(--ct-solid)",
      class: `ct-run ${toneOf(run)}${run.paused ? " ct-paused" : ""}`,
      extendedProps: { run, at: Date.parse(at) },
    };
    if (run.collapsed) {
      // A day's runs in one row: on the local day that most of them fall on.
      const middle = new Date((Date.parse(at) + Date.parse(run.end ?? at)) / 2);
      return [{ ...event, allDay: true, start: dayOf(middle, zone) }];
    }
    if (run.end && Date.parse(run.end) > Date.parse(at)) event.end = run.end;
    const ghosted = view === "week" || (view === "month" && dayOf(at, zone) !== dayOf(run.due, zone));
    if (!isMoved(run) || !ghosted) return [event];
    const ghost: EventInput = {
      title: run.dag_display_name,
      start: run.due,
      interactive: false,
      class: "ct-run ct-ghost",
      extendedProps: { run, ghost: true },
    };
    return [event, ghost];
  });
}

/** Time that is open or closed, behind the runs: by the hour in a week, by the day in a month. */
export function backgroundOf(spans: Span[], view: View, zone: string): EventInput[] {
  if (view === "week") {
    return KINDS.flatMap((kind) =>
      union(spans.filter((span) => span.kind === kind)).map(({ labels, start, end }) => ({
        title: kind === "blackout" ? labels.join(", ") : "",
        start,
        end,
        display: "background",
        class: `ct-span ct-${kind}`,
      })),
    );
  }
  if (view !== "month") return [];
  const closed = new Map<string, Set<string>>();
  for (const span of spans) {
    if (span.kind !== "blackout") continue;
    const last = dayOf(new Date(Date.parse(span.end) - 1), zone);
    for (let day = dayOf(span.start, zone); day <= last; day = addDays(day, 1)) {
      closed.set(day, (closed.get(day) ?? new Set()).add(spanText(span)));
    }
  }
  return [...closed].map(([day, labels]) => ({
    title: [...labels].join(", "),
    start: day,
    allDay: true,
    display: "background",
    class: "ct-span ct-blackout",
  }));
}

export const KINDS = ["window", "blackout"] as const;

interface Union {
  labels: string[];
  start: string;
  end: string;
}

/** Spans of one kind without overlaps: what several calendars say of one time is drawn once. */
export function union(spans: Span[]): Union[] {
  const found: Union[] = [];
  for (const span of [...spans].sort((a, b) => Date.parse(a.start) - Date.parse(b.start))) {
    const last = found.at(-1);
    const label = spanText(span);
    if (!last || Date.parse(span.start) > Date.parse(last.end)) {
      found.push({ labels: [label], start: span.start, end: span.end });
      continue;
    }
    if (Date.parse(span.end) > Date.parse(last.end)) last.end = span.end;
    if (!last.labels.includes(label)) last.labels.push(label);
  }
  return found;
}

export const spanText = (span: Span): string => (span.title ? `${span.title} (${span.label})` : span.label);

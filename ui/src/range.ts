// What each view shows of time: from `start` up to, and without, `end`.
import type { View } from "./place";
import { addDays, addMonths, instantAt, localOf, monday, monthText, rangeText, spanOfTime, startOfDay } from "./times";

export interface Range {
  /** Instants. */
  start: string;
  end: string;
  /** The first local day, and how many there are. */
  first: string;
  days: number;
  title: string;
  /** What `date` leads to what lies before and after. */
  previous: string;
  next: string;
}

export const ZOOMS = [6, 12, 24] as const;
const HOUR = 3_600_000;
const WEEK = 7;

interface Asked {
  view: View;
  /** A local day or time; null is now. */
  date: string | null;
  zoom: number;
  narrow: boolean;
  zone: string;
  now: Date;
}

export function rangeOf({ view, date, zoom, narrow, zone, now }: Asked): Range {
  const thisHour = `${localOf(now, zone).slice(0, 13)}:00`;
  const from = date ?? thisHour;
  const day = from.slice(0, 10);
  if (view === "timeline") {
    const start = instantAt(from.length > 10 ? from : `${from}T00:00`, zone);
    const end = new Date(start.getTime() + zoom * HOUR);
    const moved = (hours: number) => localOf(new Date(start.getTime() + hours * HOUR), zone);
    const [previous, next] = [moved(-zoom), moved(zoom)];
    return { ...instants(start, end), first: day, days: 1, title: spanOfTime(start, end, zone), previous, next };
  }
  if (view === "month") {
    const month = addMonths(day, 0);
    if (date === null) {
      // From this week on: what is over is a step back.
      const [from, until] = [monday(day), addDays(monday(day), 35)];
      return whole(from, until, zone, { title: rangeText(from, until), previous: month, next: addMonths(day, 1) });
    }
    const first = monday(month);
    const end = addDays(monday(addDays(addMonths(day, 1), -1)), 7);
    return whole(first, end, zone, { title: monthText(day), previous: addMonths(day, -1), next: addMonths(day, 1) });
  }
  if (view === "load") {
    const [previous, next] = [addDays(day, -WEEK), addDays(day, WEEK)];
    return whole(day, next, zone, { title: rangeText(day, next), previous, next });
  }
  if (view === "week") {
    const days = narrow ? 3 : WEEK;
    const first = narrow ? day : monday(day);
    const end = addDays(first, days);
    const title = rangeText(first, end);
    return whole(first, end, zone, { title, previous: addDays(day, -days), next: addDays(day, days) });
  }
  // The list begins where it is asked to: now, an hour of a day, or a day.
  const end = addDays(day, WEEK);
  const previous = date === null ? day : addDays(day, -WEEK);
  const range = whole(day, end, zone, { title: rangeText(day, end), previous, next: end });
  return from.length > 10 ? { ...range, start: instantAt(from, zone).toISOString() } : range;
}

const instants = (start: Date, end: Date) => ({ start: start.toISOString(), end: end.toISOString() });

function whole(first: string, end: string, zone: string, rest: Pick<Range, "title" | "previous" | "next">): Range {
  const days = Math.round((Date.parse(end) - Date.parse(first)) / (24 * HOUR));
  return { ...instants(startOfDay(first, zone), startOfDay(end, zone)), first, days, ...rest };
}

/** The local days of a range. */
export const daysOf = (range: Range): string[] => Array.from({ length: range.days }, (_, n) => addDays(range.first, n));

export const isIn = (range: Range, instant: Date): boolean =>
  instant >= new Date(range.start) && instant < new Date(range.end);

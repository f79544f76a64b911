// Instants are ISO 8601 texts in UTC, as the API gives them; days are "2026-11-21", local to the zone that people chose.

/** How far local time in `zone` is ahead of UTC at an instant, in milliseconds. */
function offsetAt(epoch: number, zone: string): number {
  const parts: Record<string, number> = {};
  for (const part of formatter(zone, CLOCK).formatToParts(epoch)) parts[part.type] = Number(part.value);
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts;
  return Date.UTC(year, month - 1, day, hour, minute, second) - Math.floor(epoch / 1000) * 1000;
}

/** The instant of a local time such as "2026-11-21T19:00"; in a gap the first one after it, of two the first. */
export function instantAt(local: string, zone: string): Date {
  const wanted = Date.parse(`${local}Z`);
  const [before, after] = [offsetAt(wanted - DAY, zone), offsetAt(wanted + DAY, zone)];
  const found = [wanted - before, wanted - after].filter((at) => at + offsetAt(at, zone) === wanted);
  return new Date(found.length ? Math.min(...found) : wanted - before);
}

/** The first instant of a local day. */
export const startOfDay = (day: string, zone: string): Date => instantAt(`${day}T00:00`, zone);

/** An instant's local time, "2026-11-21T19:00". */
export function localOf(instant: string | Date, zone: string): string {
  const epoch = new Date(instant).getTime();
  return new Date(epoch + offsetAt(epoch, zone)).toISOString().slice(0, 16);
}

/** How many hours the clock shows since its midnight. */
export function clockHours(instant: string | Date, zone: string): number {
  const [hours = 0, minutes = 0] = localOf(instant, zone).slice(11).split(":").map(Number);
  return hours + minutes / 60;
}

/** The local day that an instant falls on. */
export function dayOf(instant: string | Date, zone: string): string {
  const epoch = new Date(instant).getTime();
  return new Date(epoch + offsetAt(epoch, zone)).toISOString().slice(0, 10);
}

export function addDays(day: string, days: number): string {
  return new Date(Date.parse(`${day}T00:00:00Z`) + days * DAY).toISOString().slice(0, 10);
}

/** The Monday of a day's week. */
export function monday(day: string): string {
  return addDays(day, -((new Date(`${day}T00:00:00Z`).getUTCDay() + 6) % 7));
}

/** The first day of the month that lies `months` from a day's. */
export function addMonths(day: string, months: number): string {
  const [year = 0, month = 1] = day.split("-").map(Number);
  return new Date(Date.UTC(year, month - 1 + months, 1)).toISOString().slice(0, 10);
}

/** "Sat 21 Nov 19:00"; seconds where there are some, and the year where it is another. */
export function momentText(instant: string, zone: string): string {
  const day = dayOf(instant, zone);
  const year = day.slice(0, 4) === dayOf(new Date(), zone).slice(0, 4) ? "" : ` ${day.slice(0, 4)}`;
  return `${dayText(day)}${year} ${clockText(instant, zone)}`;
}

/** "19:00", with its day where that is not the day of `near`. */
export function nearText(instant: string, near: string, zone: string): string {
  return dayOf(instant, zone) === dayOf(near, zone) ? clockText(instant, zone) : momentText(instant, zone);
}

/** "19:00". */
export const minuteText = (instant: string, zone: string): string => formatter(zone, TIME).format(new Date(instant));

/** "19:00", and seconds where there are some. */
export function clockText(instant: string, zone: string): string {
  const at = new Date(instant);
  return formatter(zone, at.getTime() % 60_000 >= 1000 ? WITH_SECONDS : TIME).format(at);
}

/** "Sat 21 Nov". */
export function dayText(day: string): string {
  return formatter("UTC", DATE)
    .format(new Date(`${day}T00:00:00Z`))
    .replace(",", "");
}

/** "21 - 27 Nov 2026": the days from `first` up to, and without, `end`. */
export function rangeText(first: string, end: string): string {
  const last = addDays(end, -1);
  const [from, to] = [new Date(`${first}T00:00:00Z`), new Date(`${last}T00:00:00Z`)];
  return first === last
    ? `${dayText(first)} ${first.slice(0, 4)}`
    : formatter("UTC", { day: "numeric", month: "short", year: "numeric" }).formatRange(from, to);
}

/** "Thu 26 Nov 16:00 to 22:00". */
export function spanOfTime(start: Date, end: Date, zone: string): string {
  const [from, to] = [start.toISOString(), end.toISOString()];
  return `${momentText(from, zone)} to ${nearText(to, from, zone)}`;
}

/** The days that something may have to do with, where null is an open end. */
export function reachText(reach: Reach, zone: string): string {
  if (reach.start !== null && reach.start === reach.end && !reach.counted) return "covers no time";
  return `${reach.counted ? "counted all the same," : "may cover"} ${daysText(reach, zone)}`;
}

function daysText({ start, end }: Reach, zone: string): string {
  if (start === null) return "any day";
  const first = dayOf(start, zone);
  if (end === null) return `${rangeText(first, addDays(first, 1))} and later`;
  const last = Math.max(Date.parse(end) - 1, Date.parse(start));
  return rangeText(first, addDays(dayOf(new Date(last), zone), 1));
}

interface Reach {
  start: string | null;
  end: string | null;
  counted: boolean;
}

/** "November 2026". */
export function monthText(day: string): string {
  return formatter("UTC", { month: "long", year: "numeric" }).format(new Date(`${day}T00:00:00Z`));
}

/** "4 h 30 min", "2 d", "45 s". */
export function durationText(seconds: number): string {
  const units: [string, number][] = [
    ["d", 86400],
    ["h", 3600],
    ["min", 60],
    ["s", 1],
  ];
  const parts: string[] = [];
  let rest = Math.round(Math.abs(seconds));
  for (const [unit, size] of units) {
    if (rest >= size) parts.push(`${Math.floor(rest / size)} ${unit}`);
    rest %= size;
  }
  return parts.slice(0, 2).join(" ") || "0 s";
}

export function isZone(zone: string): boolean {
  try {
    return Boolean(formatter(zone, TIME));
  } catch {
    return false;
  }
}

const DAY = 86_400_000;
const TIME = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" } as const;
const WITH_SECONDS = { ...TIME, second: "2-digit" } as const;
const DATE = { weekday: "short", day: "numeric", month: "short" } as const;
const CLOCK = { ...WITH_SECONDS, year: "numeric", month: "numeric", day: "numeric" } as const;

const made = new Map<string, Intl.DateTimeFormat>();

/** Formatters are slow to make and are asked for by the thousand. */
function formatter(zone: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = zone + JSON.stringify(options);
  const known = made.get(key) ?? new Intl.DateTimeFormat("en-GB", { ...options, timeZone: zone });
  made.set(key, known);
  return known;
}

// How full pools get, for the view of the load.
import type { LoadHour, PoolLoad } from "./api";
import { dayOf, durationText, localOf, momentText } from "./times";

/** Slots as people read them: "3", "2.5", "<0.1". */
export function slotsText(slots: number): string {
  if (slots > 0 && slots < 0.1) return "<0.1";
  return `${slots < 10 ? Math.round(slots * 10) / 10 : Math.round(slots)}`;
}

/** "1 slot", "2.5 slots". */
export const slotText = (slots: number): string => `${slotsText(slots)} ${slotsText(slots) === "1" ? "slot" : "slots"}`;

/** " of 8", or nothing where a pool has no end. */
export const ofText = (pool: PoolLoad): string => (pool.slots < 0 ? "" : ` of ${pool.slots}`);

/** What an hour is told to use: what was used where it is over, else what is expected; null where neither is known. */
export const inUse = (hour: LoadHour): number | null => hour.expected ?? hour.used;

/** Which part of the pool that is, 0 to 1; of a pool without end, of the most that it is to use. */
export function partOf(hour: LoadHour, pool: PoolLoad, most: number): number {
  const whole = pool.slots > 0 ? pool.slots : most;
  return whole > 0 ? Math.min(1, (inUse(hour) ?? 0) / whole) : 0;
}

/** The most slots that a pool is to use, or has used, in these hours. */
export const mostOf = (pool: PoolLoad): number =>
  Math.max(0, ...pool.hours.map((hour) => Math.max(hour.peak ?? 0, inUse(hour) ?? 0)));

export const waits = (hour: LoadHour): boolean => (hour.longest_wait_seconds ?? 0) >= 60 || hour.wait_at_least;

/** The hours of each local day by the hour that clocks show; of two alike, as clocks go back, the fuller. */
export function gridOf(pool: PoolLoad, days: string[], zone: string): (LoadHour | undefined)[][] {
  const found = new Map<string, LoadHour>();
  for (const hour of pool.hours) {
    const key = localOf(hour.start, zone).slice(0, 13);
    const was = found.get(key);
    if (!was || (inUse(hour) ?? 0) > (inUse(was) ?? 0)) found.set(key, hour);
  }
  return days.map((day) => HOURS.map((hour) => found.get(`${day}T${`${hour}`.padStart(2, "0")}`)));
}

export const HOURS = Array.from({ length: 24 }, (_, hour) => hour);

/** A line of steps over the hours, as an SVG path in a box as many wide as there are hours, and 100 high. */
export function stepsOf(values: (number | null)[], most: number): string {
  let path = "";
  let open = false;
  values.forEach((value, n) => {
    if (value === null) {
      if (open) path += `V100Z`;
      open = false;
      return;
    }
    const y = Math.round(1000 - (1000 * Math.min(value, most)) / most) / 10;
    path += open ? `V${y}H${n + 1}` : `M${n} 100V${y}H${n + 1}`;
    open = true;
  });
  return open ? `${path}V100Z` : path;
}

/** In a sentence, what is told of an hour. */
export function hourText(hour: LoadHour, pool: PoolLoad, zone: string): string {
  const said = [];
  if (hour.expected !== null)
    said.push(`${slotsText(hour.expected)}${ofText(pool)} slots expected, ${hour.peak ?? 0} at most`);
  else if (hour.used !== null) said.push(`${slotsText(hour.used)}${ofText(pool)} slots were in use`);
  else said.push("not known");
  if (waits(hour)) said.push(`waits of ${waitText(hour)}`);
  if (hour.unknown_runs > 0) said.push(`and ${runsText(hour.unknown_runs)} of which nothing is known yet`);
  return `${momentText(hour.start, zone)}: ${said.join(", ")}`;
}

/** "up to 20 min". */
export const waitText = (hour: LoadHour): string =>
  `${hour.wait_at_least ? "at least" : "up to"} ${durationText(hour.longest_wait_seconds ?? 0)}`;

export const runsText = (count: number): string => (count === 1 ? "1 run" : `${count} runs`);
export const weeksText = (count: number): string => (count === 1 ? "1 week" : `${count} weeks`);

/** The hour in which a pool is to be fullest, or in which most waits for it; null where it is never used. */
export function fullestOf(pool: PoolLoad): LoadHour | null {
  let found: LoadHour | null = null;
  for (const hour of pool.hours) {
    if (hour.expected === null || hour.peak === 0) continue;
    const more = (hour.waiting ?? 0) - (found?.waiting ?? 0) || hour.expected - (found?.expected ?? 0);
    if (found === null || more > 0) found = hour;
  }
  return found;
}

/** Pools that matter most come first: those in which runs wait, then those that get fullest. */
export function byNeed(pools: PoolLoad[]): PoolLoad[] {
  const waiting = (pool: PoolLoad) => pool.hours.reduce((sum, hour) => sum + (hour.waiting ?? 0), 0);
  const part = (pool: PoolLoad) => (pool.slots > 0 ? mostOf(pool) / pool.slots : 0);
  return [...pools].sort(
    (a, b) => waiting(b) - waiting(a) || part(b) - part(a) || mostOf(b) - mostOf(a) || a.name.localeCompare(b.name),
  );
}

/** Where the local days of the hours begin, as a part of them, 0 to 1. */
export function daysIn(hours: LoadHour[], zone: string): { day: string; left: number }[] {
  const found: { day: string; left: number }[] = [];
  hours.forEach((hour, n) => {
    const day = dayOf(hour.start, zone);
    if (found.at(-1)?.day !== day) found.push({ day, left: n / hours.length });
  });
  return found;
}

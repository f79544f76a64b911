// What each view shows: whole local days, from `first` up to, and without, `end`.
import type { View } from "./place";
import { addDays, addMonths, monday, monthText, rangeText } from "./times";

export interface Range {
  first: string;
  end: string;
  title: string;
  previous: string;
  next: string;
}

export function rangeOf(view: View, day: string, narrow: boolean): Range {
  if (view === "month") {
    const month = addMonths(day, 0);
    const first = monday(month);
    const end = addDays(monday(addDays(addMonths(day, 1), -1)), 7);
    return { first, end, title: monthText(day), previous: addMonths(day, -1), next: addMonths(day, 1) };
  }
  // The timeline has two days, so that it shows a night whole, and goes on by one.
  const length = view === "timeline" ? 2 : view === "week" && narrow ? 3 : 7;
  const step = view === "timeline" ? 1 : length;
  const first = view === "week" && !narrow ? monday(day) : day;
  const end = addDays(first, length);
  return { first, end, title: rangeText(first, end), previous: addDays(day, -step), next: addDays(day, step) };
}

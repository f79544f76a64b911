// Where people are in the page, kept in its address so that a link leads there again.
import { useCallback } from "react";
import { useSearchParams } from "react-router-dom";

export const VIEWS = {
  timeline: "Timeline",
  agenda: "Agenda",
  week: "Week",
  month: "Month",
  load: "Load",
  advice: "Advice",
} as const;
export type View = keyof typeof VIEWS;
/** Of a whole deployment, not of runs one by one. */
export const isOfPools = (view: View): boolean => view === "load" || view === "advice";

/** Filters that hold any number of values. */
export const LISTS = ["dag", "tag", "owner", "state", "calendar"] as const;
export type ListFilter = (typeof LISTS)[number];

export interface Place extends Record<ListFilter, string[]> {
  view: View | null;
  /** A local day, or one with an hour: where views begin that are not from now on. */
  date: string | null;
  /** How many hours a timeline has. */
  zoom: string | null;
  moved: string | null;
  paused: string | null;
  /** The run whose details are open. */
  run: string | null;
  /** The freeze that is planned: two instants, as ISO 8601 writes an interval. */
  freeze: string | null;
  panel: string | null;
  /** Of the load: the pool that is chosen, and the instant at which the hour begins that is open. */
  pool: string | null;
  hour: string | null;
}

export type Go = (change: Partial<Place>) => void;

export function usePlace(): [Place, Go] {
  const [search, setSearch] = useSearchParams();
  const view = search.get("view");
  const date = search.get("date");
  const place = {
    view: view && view in VIEWS ? (view as View) : null,
    date: date && /^\d{4}-\d\d-\d\d(T\d\d:\d\d)?$/.test(date) && !Number.isNaN(Date.parse(date)) ? date : null,
    zoom: search.get("zoom"),
    moved: search.get("moved"),
    paused: search.get("paused"),
    run: search.get("run"),
    freeze: search.get("freeze"),
    panel: search.get("panel"),
    pool: search.get("pool"),
    hour: search.get("hour"),
    ...(Object.fromEntries(LISTS.map((name) => [name, search.getAll(name)])) as Record<ListFilter, string[]>),
  };
  const go = useCallback<Go>(
    (change) =>
      setSearch(
        (was) => {
          const next = new URLSearchParams(was);
          for (const [name, value] of Object.entries(change)) {
            next.delete(name);
            for (const each of Array.isArray(value) ? value : value ? [value] : []) next.append(name, each);
          }
          return next;
        },
        // Another day or view is a step that "back" undoes; a filter or an opened run is not.
        { replace: !("view" in change || "date" in change), preventScrollReset: true },
      ),
    [setSearch],
  );
  return [place, go];
}

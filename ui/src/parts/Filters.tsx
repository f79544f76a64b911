import { useRef } from "react";
import { type Run, STATES } from "../api";
import { type Go, LISTS, type ListFilter, type Place } from "../place";
import { FilterMenu } from "./FilterMenu";

const LABELS: Record<ListFilter, string> = {
  dag: "DAG",
  tag: "Tag",
  owner: "Owner",
  state: "State",
  calendar: "Calendar",
};

interface FiltersProps {
  place: Place;
  go: Go;
  runs: Run[];
}

/** Which runs to show. What may be chosen is what was seen so far: a filter must not take its own choices away. */
export function Filters({ place, go, runs }: FiltersProps) {
  const seen = useRef<Record<ListFilter, Map<string, string>> | null>(null);
  seen.current ??= { dag: new Map(), tag: new Map(), owner: new Map(), state: new Map(), calendar: new Map() };
  const options = seen.current;
  for (const state of STATES) options.state.set(state, state);
  for (const run of runs) {
    options.dag.set(run.dag_id, run.dag_display_name);
    for (const tag of run.tags) options.tag.set(tag, tag);
    for (const owner of run.owners) options.owner.set(owner, owner);
    for (const calendar of run.calendars) options.calendar.set(calendar, calendar);
  }
  const sorted = (name: ListFilter) =>
    name === "state" ? [...options.state] : [...options[name]].sort(([, a], [, b]) => a.localeCompare(b));
  return (
    <search className="ct-filters" aria-label="Filters">
      {LISTS.map((name) => (
        <FilterMenu
          key={name}
          label={LABELS[name]}
          options={sorted(name)}
          chosen={place[name]}
          onChange={(chosen) => go({ [name]: chosen })}
        />
      ))}
      <button
        type="button"
        className={place.moved ? "ct-on" : undefined}
        aria-pressed={place.moved !== null}
        onClick={() => go({ moved: place.moved ? null : "1" })}
      >
        Only moved
      </button>
    </search>
  );
}

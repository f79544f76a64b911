import { useMemo } from "react";
import { type Choices, STATES } from "../api";
import { type Go, LISTS, type ListFilter, type Place } from "../place";
import { useApi } from "../useApi";
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
}

/** Which runs to show. What may be chosen is all that there is: also of runs that are not in sight. */
export function Filters({ place, go }: FiltersProps) {
  const { data, error } = useApi<Choices>("choices");
  const options = useMemo((): Record<ListFilter, [string, string][]> => {
    const dags = data?.dags.map((dag): [string, string] => [dag.dag_id, dag.dag_display_name]) ?? [];
    return {
      dag: dags.sort(([, a], [, b]) => a.localeCompare(b)),
      tag: named(data?.tags),
      owner: named(data?.owners),
      state: named(STATES),
      calendar: named(data?.calendars),
    };
  }, [data]);
  return (
    <search className="ct-filters" aria-label="Filters">
      {LISTS.map((name) => (
        <FilterMenu
          key={name}
          label={LABELS[name]}
          options={options[name]}
          none={data ? "There is none" : (error?.message ?? "Reading …")}
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

const named = (values: readonly string[] = []): [string, string][] => values.map((value) => [value, value]);

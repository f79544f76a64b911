import { useMemo, useState } from "react";
import { useNarrow } from "../airflow";
import { type Choices, MOVES, STATES } from "../api";
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
  /** How many DAGs have plans that are left out, as they are paused. */
  paused: number;
}

/** Which runs to show. What may be chosen is all that there is: also of runs that are not in sight. */
export function Filters({ place, go, paused }: FiltersProps) {
  const narrow = useNarrow();
  const [open, setOpen] = useState(false);
  const { data, error } = useApi<Choices>("choices");
  const options = useMemo((): Options => {
    const dags = data?.dags.map((dag): [string, string] => [dag.dag_id, dag.dag_display_name]) ?? [];
    return {
      dag: dags.sort(([, a], [, b]) => a.localeCompare(b)),
      tag: named(data?.tags),
      owner: named(data?.owners),
      state: named([...STATES, ...MOVES]),
      calendar: named(data?.calendars),
    };
  }, [data]);
  const active = LISTS.filter((name) => place[name].length > 0).length + (place.moved ? 1 : 0);
  return (
    <search className="ct-filters" aria-label="Filters">
      {narrow && (
        <button
          type="button"
          aria-expanded={open}
          className={active ? "ct-on" : undefined}
          onClick={() => setOpen(!open)}
        >
          Filters{active > 0 && <span className="ct-count">{active}</span>}
        </button>
      )}
      {(open || !narrow) && (
        <Menus {...{ place, go, options, none: data ? "None" : (error?.message ?? "Reading …") }} />
      )}
      {(paused > 0 || place.paused) && (
        <button
          type="button"
          aria-pressed={place.paused !== null}
          onClick={() => go({ paused: place.paused ? null : "1" })}
        >
          Show paused{paused > 0 && ` (${paused})`}
        </button>
      )}
    </search>
  );
}

type Options = Record<ListFilter, [string, string][]>;

function Menus({ place, go, options, none }: Pick<FiltersProps, "place" | "go"> & { options: Options; none: string }) {
  return (
    <>
      {LISTS.map((name) => (
        <FilterMenu
          key={name}
          label={LABELS[name]}
          options={options[name]}
          none={none}
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
        Affected by calendars
      </button>
    </>
  );
}

const named = (values: readonly string[] = []): [string, string][] => values.map((value) => [value, value]);

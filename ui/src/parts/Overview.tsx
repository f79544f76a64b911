import { useMemo, useState } from "react";
import { useNarrow, useZone } from "../airflow";
import { query, type Run, type Runs, type TimeSets } from "../api";
import { LISTS, usePlace, VIEWS, type View } from "../place";
import { rangeOf } from "../range";
import { dayOf, startOfDay } from "../times";
import { useApi } from "../useApi";
import { Moment, Notice, Trouble } from "./basics";
import { Filters } from "./Filters";
import { Legend } from "./Legend";
import { Peek } from "./Peek";
import { RunCalendar } from "./RunCalendar";
import { RunDetails } from "./RunDetails";
import { Timeline } from "./Timeline";
import { Toolbar } from "./Toolbar";

const MOST = 500;
const MOST_SPANS = 5000; // as many as one answer has

/** All runs that people may see, or those of one DAG on its tab. */
export function Overview({ dagId }: { dagId?: string | undefined }) {
  const [place, go] = usePlace();
  const zone = useZone();
  const narrow = useNarrow();
  const [opened, setOpened] = useState<Run | null>(null);
  const today = dayOf(new Date(), zone);
  const view: View = place.view ?? "agenda";
  const day = place.date ?? today;
  const range = rangeOf(view, day, narrow);

  const start = startOfDay(range.first, zone).toISOString();
  const end = startOfDay(range.end, zone).toISOString();
  const filters = Object.fromEntries(LISTS.map((name) => [NAMES[name], place[name]]));
  const only = dagId ? { dag_id: dagId } : { ...filters, moved: place.moved ? true : undefined };
  const runs = useApi<Runs>(`runs?${query({ start, end, ...only, limit: MOST })}`, true);
  const spans = useApi<TimeSets>(
    `time-sets?${query({ start, end, dag_id: dagId ?? place.dag, limit: MOST_SPANS })}`,
    true,
  );

  const found = runs.data?.runs ?? NONE;
  const inSight = useMemo(() => found.filter((each) => (each.end ?? each.start ?? each.due) >= start), [found, start]);
  const filled = inSight.length > 0 || (view !== "agenda" && (runs.data || !runs.error)); // an empty list is only a box
  const filtered = !dagId && (LISTS.some((name) => place[name].length > 0) || place.moved !== null);
  const run = place.run === null ? null : (found.find((each) => each.id === place.run) ?? sameRun(opened, place.run));
  const open = (chosen: Run) => {
    setOpened(chosen);
    go({ run: chosen.id });
  };
  const clear = () => go({ ...Object.fromEntries(LISTS.map((name) => [name, []])), moved: null });

  return (
    <section aria-label="Runs" aria-busy={runs.loading}>
      <Toolbar
        view={view}
        range={range}
        onView={(next) => go({ view: next })}
        onDay={(date) => go({ date })}
        views={Object.keys(VIEWS) as View[]}
      />
      {!dagId && <Filters place={place} go={go} />}
      {runs.error && <Trouble error={runs.error} readAt={runs.readAt} retry={runs.reload} />}
      {!runs.error && spans.error && <Trouble error={spans.error} readAt={spans.readAt} retry={spans.reload} />}
      {runs.data?.truncated && (
        <Notice kind="warning">
          {runs.data.total_entries > found.length
            ? `The first ${found.length} of ${runs.data.total_entries} runs are shown.`
            : `The first ${found.length} runs are shown, and there are more.`}{" "}
          Choose a shorter time or filter to see the rest.
        </Notice>
      )}
      {spans.data?.truncated && view !== "agenda" && (
        <Notice kind="warning">
          Windows and blackouts are shown up to <Moment at={spans.data.spans.at(-1)?.start ?? start} />, and there are
          more. Choose a shorter time or filter to see the rest.
        </Notice>
      )}
      {place.run && !run && runs.data && !runs.loading && (
        <Notice kind="info" action={{ text: "Close", run: () => go({ run: null }) }}>
          The run of this link is not in the time that is shown.
        </Notice>
      )}
      {runs.data === null && runs.loading && <p className="ct-loading">Reading the runs …</p>}
      {runs.data && !runs.loading && inSight.length === 0 && (
        <Notice kind="info" {...(filtered ? { action: { text: "Clear filters", run: clear } } : {})}>
          {filtered ? "No run matches these filters" : "No run is planned"} in this time
          {dagId ? "." : ", of the DAGs that you may see."}
        </Notice>
      )}
      {filled && (
        <Peek runs={view === "agenda" ? NONE : found /* whose rows say it all */}>
          <div className={`ct-calendar ct-view-${view}`}>
            {view === "timeline" ? (
              <Timeline runs={found} spans={spans.data?.spans ?? []} {...{ start, end, zone }} onOpen={open} />
            ) : (
              <RunCalendar
                runs={found}
                spans={spans.data?.spans ?? []}
                view={view}
                first={view === "month" ? day : range.first}
                days={view === "week" && narrow ? 3 : 7}
                zone={zone}
                onOpen={open}
                onDay={(date) => go({ view: "agenda", date })}
              />
            )}
          </div>
          <Legend view={view} />
        </Peek>
      )}
      {run && <RunDetails run={run} onClose={() => go({ run: null })} />}
    </section>
  );
}

const NONE: Run[] = [];
const NAMES = { dag: "dag_id", tag: "tag", owner: "owner", state: "state", calendar: "calendar" } as const;

/** A run that was opened stays open when the calendar moves on. */
const sameRun = (opened: Run | null, id: string): Run | null => (opened?.id === id ? opened : null);

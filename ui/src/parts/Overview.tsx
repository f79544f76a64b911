import { useMemo, useState } from "react";
import { useNarrow, useZone } from "../airflow";
import { type Counts, query, type Run, type Runs, type Span, type TimeSets } from "../api";
import { sharedBy } from "../events";
import { type Period, periodOf } from "../freezes";
import { focusRun, KEYS, type Key, useKeys, useRoving } from "../keys";
import { isOfPools, LISTS, usePlace, VIEWS, type View } from "../place";
import { daysOf, rangeOf, ZOOMS } from "../range";
import { useApi } from "../useApi";
import { AdviceView } from "./AdviceView";
import { Agenda } from "./Agenda";
import { Drawer, Moment, Notice, Trouble } from "./basics";
import { Filters } from "./Filters";
import { Legend } from "./Legend";
import { LoadView } from "./LoadView";
import { Month } from "./Month";
import { Peek } from "./Peek";
import { PlanFreeze } from "./PlanFreeze";
import { RunDetails } from "./RunDetails";
import { Timeline } from "./Timeline";
import { Toolbar } from "./Toolbar";
import { Week } from "./Week";

const MOST = 500;
const MOST_SPANS = 5000; // as many as one answer has
const VIEW_KEYS: Partial<Record<Key, View>> = {
  d: "timeline",
  a: "agenda",
  w: "week",
  m: "month",
  l: "load",
  v: "advice",
};
const ALL = Object.keys(VIEWS) as View[];

/** All runs that people may see, or those of one DAG on its tab. */
export function Overview({ dagId }: { dagId?: string | undefined }) {
  const [place, go] = usePlace();
  const zone = useZone();
  const narrow = useNarrow();
  const roving = useRoving();
  const [opened, setOpened] = useState<Run | null>(null);
  const [help, setHelp] = useState(false);
  const views = dagId ? ALL.filter((each) => !isOfPools(each)) : ALL;
  const asked = place.view && views.includes(place.view) ? place.view : null;
  const view: View = asked ?? (dagId ? "week" : narrow ? "agenda" : "timeline");
  const zoom = ZOOMS.find((hours) => `${hours}` === place.zoom) ?? 24;
  const range = rangeOf({ view, date: place.date, zoom, narrow, zone, now: new Date() });
  const { start, end } = range;

  const filters = Object.fromEntries(LISTS.map((name) => [NAMES[name], place[name]]));
  const moved = place.moved ? true : undefined;
  const only = dagId ? { dag_id: dagId, paused: true } : { ...filters, moved, paused: place.paused ? true : undefined };
  const by = { week: { by: "hour" }, month: { by: "day", timezone: zone } }[view as string];
  const counts = useApi<Counts>(by ? `counts?${query({ start, end, ...only, ...by })}` : null);
  const runs = useApi<Runs>(
    view === "month" || isOfPools(view) ? null : `runs?${query({ start, end, ...only, limit: MOST })}`,
    {
      keep: true,
    },
  );
  const spans = useApi<TimeSets>(
    view === "agenda" || isOfPools(view)
      ? null
      : `time-sets?${query({ start, end, dag_id: dagId ?? place.dag, limit: MOST_SPANS })}`,
    { keep: true },
  );

  const found = (view !== "month" && runs.data?.runs) || NONE;
  const inSight = useMemo(() => found.filter((each) => (each.end ?? each.start ?? each.due) >= start), [found, start]);
  const data = view === "month" ? counts : runs;
  const nothing = data.data && !data.loading && (view === "month" ? counts.data?.dag_ids : inSight)?.length === 0;
  const filtered = !dagId && (LISTS.some((name) => place[name].length > 0) || place.moved !== null);
  const run = place.run === null ? null : (found.find((each) => each.id === place.run) ?? sameRun(opened, place.run));
  const freeze = dagId || run ? null : periodOf(place.freeze);
  const plan = (period: Period) => go({ freeze: period.join("/"), run: null });
  const dags = by ? (counts.data?.dag_ids ?? []) : found.map((each) => each.dag_id);
  const known = spans.data?.spans ?? NO_SPANS;
  const shared = useMemo(() => (view === "timeline" ? known : sharedBy(dags, known)), [view, dags, known]);

  const open = (chosen: Run) => {
    setOpened(chosen);
    go({ run: chosen.id });
  };
  const close = () => {
    if (run) focusRun(run.id);
    go({ run: null });
  };
  const clear = () => go({ ...Object.fromEntries(LISTS.map((name) => [name, []])), moved: null });
  useKeys((key) => {
    const next = VIEW_KEYS[key];
    if (next) go({ view: views.includes(next) ? next : view });
    else if (key === "t") go({ date: null });
    else if (key === "?") setHelp(true);
    else document.querySelector<HTMLElement>(".ct-filters button")?.click();
  });

  return (
    <section aria-label="Runs" aria-busy={data.loading || (by !== undefined && counts.loading)}>
      <Toolbar
        {...{ view, range, zoom }}
        onView={(next) => go({ view: next })}
        onDate={(date) => go({ date })}
        onZoom={(hours) => go({ zoom: `${hours}` })}
        onHelp={() => setHelp(true)}
        views={views}
      />
      {view === "load" && <LoadView range={range} zone={zone} place={place} go={go} />}
      {view === "advice" && <AdviceView />}
      {!dagId && !isOfPools(view) && <Filters place={place} go={go} paused={data.data?.paused_dags ?? 0} />}
      {data.error && <Trouble error={data.error} readAt={data.readAt} retry={data.reload} />}
      {!data.error && spans.error && <Trouble error={spans.error} readAt={spans.readAt} retry={spans.reload} />}
      {dagId && (data.data?.paused_dags ?? 0) > 0 && (
        <Notice kind="warning">This DAG is paused: what is planned will not start.</Notice>
      )}
      {runs.data?.truncated && (view === "agenda" || view === "timeline") && (
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
      {place.run && !run && data.data && !data.loading && (
        <Notice kind="info" action={{ text: "Close", run: () => go({ run: null }) }}>
          The run of this link is not in the time that is shown.
        </Notice>
      )}
      {data.data === null && data.loading && <p className="ct-loading">Reading the runs …</p>}
      {nothing && (
        <Notice kind="info" {...(filtered ? { action: { text: "Clear filters", run: clear } } : {})}>
          {filtered
            ? "No run matches these filters"
            : end <= new Date().toISOString()
              ? "No run was"
              : "No run is planned"}{" "}
          in this time{dagId ? "." : ", of the DAGs that you may see."}
        </Notice>
      )}
      {data.data && (freeze || !(nothing && (view === "agenda" || view === "timeline"))) && (
        <div className={run || freeze ? "ct-beside" : undefined}>
          <Peek runs={view === "agenda" ? NONE : found /* whose rows say it all */}>
            <div className={`ct-calendar ct-view-${view}`} {...roving}>
              {view === "timeline" && (
                <Timeline
                  runs={found}
                  truncated={runs.data?.truncated ?? false}
                  limits={runs.data}
                  spans={known}
                  {...{ start, end, zone }}
                  onOpen={open}
                  freeze={freeze}
                  onSelect={dagId ? null : plan}
                />
              )}
              {view === "agenda" && <Agenda runs={inSight} {...{ start, zone }} onOpen={open} />}
              {view === "week" && (
                <Week
                  runs={found}
                  counts={counts.data}
                  spans={shared}
                  days={daysOf(range)}
                  zone={zone}
                  onOpen={open}
                  onHour={(date) => go({ view: "agenda", date })}
                />
              )}
              {view === "month" && (
                <Month
                  counts={counts.data}
                  spans={shared}
                  days={daysOf(range)}
                  month={place.date}
                  zone={zone}
                  onDay={(date) => go({ view: "agenda", date })}
                />
              )}
            </div>
            <Legend view={view} spans={shared.length > 0} paused={dagId !== undefined || place.paused !== null} />
            {by && shared.length < known.length && (
              <p className="ct-muted">
                Windows and blackouts are drawn where they hold for all DAGs in sight: choose one DAG, or see the
                timeline.
              </p>
            )}
          </Peek>
          {run && <RunDetails key={run.id} run={run} onClose={close} />}
          {freeze && (
            <PlanFreeze
              period={freeze}
              dags={place.dag}
              tags={place.tag}
              paused={place.paused !== null}
              onPeriod={plan}
              onClose={() => go({ freeze: null })}
            />
          )}
        </div>
      )}
      {help && (
        <Drawer title="Keyboard shortcuts" onClose={() => setHelp(false)}>
          <dl className="ct-facts">
            {Object.entries(KEYS).map(([key, text]) => (
              <Shortcut key={key} keys={key} text={text} />
            ))}
            <Shortcut keys="← ↑ ↓ →" text="From run to run; Home and End: the first and the last" />
            <Shortcut keys="Enter" text="Open a run" />
            <Shortcut keys="Esc" text="Close what is open" />
          </dl>
        </Drawer>
      )}
    </section>
  );
}

const Shortcut = ({ keys, text }: { keys: string; text: string }) => (
  <>
    <dt>
      <kbd>{keys}</kbd>
    </dt>
    <dd>{text}</dd>
  </>
);

const NONE: Run[] = [];
const NO_SPANS: Span[] = [];
const NAMES = { dag: "dag_id", tag: "tag", owner: "owner", state: "state", calendar: "calendar" } as const;

/** A run that was opened stays open when the calendar moves on. */
const sameRun = (opened: Run | null, id: string): Run | null => (opened?.id === id ? opened : null);

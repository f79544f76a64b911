import { type CSSProperties, type PointerEvent, useMemo, useState } from "react";
import type { Limits, Run, Span } from "../api";
import { isMoved, KINDS, union } from "../events";
import type { Period } from "../freezes";
import { spanText } from "../reasons";
import { countOf, crowdedOf, type Load, loadOf, type Mark, poolLoadsOf, rowsOf, selected, within } from "../timeline";
import { clockText, dayOf, dayText, durationText, localOf, minuteText } from "../times";
import { DagLink } from "./basics";
import { RunButton } from "./RunButton";

interface TimelineProps {
  runs: Run[];
  /** Whether there are more runs than these, after the last of them. */
  truncated: boolean;
  limits: Limits | null;
  spans: Span[];
  start: string;
  end: string;
  zone: string;
  onOpen: (run: Run) => void;
  /** The freeze that is planned. */
  freeze: Period | null;
  /** A stretch of the hours was drawn over; null where that means nothing. */
  onSelect: ((freeze: Period) => void) | null;
}

const SLOTS = 24;
const NO_LIMITS: Limits = { parallelism: 0, limits: [], pools: [] };
const percent = (part: number): string => `${part * 100}%`;

/** A lane for every DAG: what overlaps tonight, and what each run waits for. */
export function Timeline(props: TimelineProps) {
  const { runs, truncated, limits, spans, start, end, zone, onOpen } = props;
  const { parallelism } = limits ?? NO_LIMITS;
  const [from, to] = [Date.parse(start), Date.parse(end)];
  const rows = useMemo(() => rowsOf(runs, from, to), [runs, from, to]);
  const load = useMemo(() => loadOf(runs, from, to, SLOTS), [runs, from, to]);
  const pools = useMemo(() => poolLoadsOf(runs, limits ?? NO_LIMITS, from, to, SLOTS), [runs, limits, from, to]);
  const crowded = useMemo(() => crowdedOf(runs, limits ?? NO_LIMITS, from, to), [runs, limits, from, to]);
  const now = Date.now();
  const selection = useSelection(props, from, to);
  const [left, width] = selection.period ? within(...selection.period, from, to) : [0, 0];
  const marked = (
    <>
      {width > 0 && <span className="ct-selected" style={{ left: percent(left), width: percent(width) }} />}
      {now >= from && now < to && <span className="ct-now" style={{ left: percent((now - from) / (to - from)) }} />}
    </>
  );
  const known = truncated ? Date.parse(runs.at(-1)?.start ?? runs.at(-1)?.due ?? start) : to;
  return (
    <section
      className="ct-timeline"
      aria-label="Timeline"
      // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard
      tabIndex={0}
      style={{ "--ct-slots": SLOTS } as CSSProperties}
    >
      <div className="ct-scale" aria-hidden="true">
        <div className="ct-row ct-hours">
          <div className="ct-row-name">DAG</div>
          <div className="ct-lane" {...selection.handlers}>
            {hoursOf(from, to, zone).map(({ left, text, day }) => (
              <span key={left} style={{ left: percent(left) }}>
                {day ? <strong>{day}</strong> : text}
              </span>
            ))}
            {marked}
          </div>
        </div>
      </div>
      <LoadRow name="Starts" load={load} value={(each) => each.starts} from={from} to={to} known={known} zone={zone} />
      <LoadRow
        name="Concurrent runs"
        load={load}
        value={(each) => each.most}
        from={from}
        to={to}
        known={known}
        zone={zone}
        limit={parallelism}
        about={`Airflow runs ${parallelism} tasks at once`}
      />
      {pools.map((pool) => (
        <LoadRow
          key={pool.name}
          name={`Pool ${pool.name}`}
          load={pool.load.map((each) => ({ ...each, atLeast: each.atLeast || each.most > 0 }))}
          value={(each) => each.most}
          from={from}
          to={to}
          known={known}
          zone={zone}
          limit={pool.slots}
          about={`runs at once, each of which takes one or more of its ${pool.slots} slots`}
        />
      ))}
      {[...rows].map(([dagId, marks]) => (
        <div className="ct-row" key={dagId}>
          <div className="ct-row-name">
            <DagLink id={dagId} name={marks[0]?.runs[0].dag_display_name ?? dagId} short />
            <Crowded of={crowded.get(dagId)} />
          </div>
          <div className="ct-lane">
            <Background spans={spans.filter((span) => span.dag_ids.includes(dagId))} {...{ from, to, zone }} />
            {marks
              .flatMap((mark) => mark.runs.filter(isMoved))
              .map((run) => {
                const due = Date.parse(run.due);
                if (due < from || due >= to) return null;
                return (
                  <span key={run.id} className="ct-due" style={{ left: percent(within(due, due, from, to)[0]) }} />
                );
              })}
            {marks.map((mark) => (
              <MarkButton key={mark.runs[0].id} {...{ mark, zone, onOpen }} />
            ))}
            {marked}
          </div>
        </div>
      ))}
    </section>
  );
}

/** Draw over the hours to choose a stretch; the panel's fields do the same from the keyboard. */
function useSelection({ freeze, onSelect }: TimelineProps, from: number, to: number) {
  const [drawn, setDrawn] = useState<[number, number] | null>(null);
  const partOf = (event: PointerEvent): number => {
    const box = event.currentTarget.getBoundingClientRect();
    return (event.clientX - box.left) / box.width;
  };
  if (!onSelect) return { period: null, handlers: {} };
  const handlers = {
    title: "Draw over the hours to see what a freeze there would do",
    onPointerDown: (event: PointerEvent) => {
      if (event.button !== 0 || event.pointerType === "touch") return;
      event.currentTarget.setPointerCapture(event.pointerId);
      setDrawn([partOf(event), partOf(event)]);
    },
    onPointerMove: (event: PointerEvent) => drawn && setDrawn([drawn[0], partOf(event)]),
    onPointerUp: (event: PointerEvent) => {
      if (!drawn) return;
      const [start, end] = selected(drawn[0], partOf(event), from, to);
      setDrawn(null);
      onSelect([new Date(start).toISOString(), new Date(end).toISOString()]);
    },
    onPointerCancel: () => setDrawn(null),
  };
  const known: [number, number] | null = freeze && [Date.parse(freeze[0]), Date.parse(freeze[1])];
  return { period: drawn ? selected(...drawn, from, to) : known, handlers };
}

/** That a DAG is to have more runs at once than it may. */
function Crowded({ of }: { of: [number, number] | undefined }) {
  if (!of) return null;
  const text = `${of[0]} runs at once, but max_active_runs is ${of[1]}: some will wait`;
  return (
    <span className="ct-warn" role="img" aria-label={text} title={text}>
      {" "}
      ⚠
    </span>
  );
}

function MarkButton({ mark, zone, onOpen }: { mark: Mark; zone: string; onOpen: (run: Run) => void }) {
  const [run] = mark.runs;
  const count = countOf(mark);
  const { left, width, open } = mark;
  const text = run.collapsed
    ? `every ${durationText(run.collapsed.every_seconds)}`
    : minuteText(run.start ?? run.due, zone);
  return (
    <RunButton
      run={run}
      zone={zone}
      onOpen={onOpen}
      also={mark.runs.length - 1}
      className={`${open ? "ct-open" : ""} ${run.collapsed ? "ct-many" : ""}`}
      style={{ left: percent(left), width: percent(width) }}
    >
      <span className="ct-sr">{run.dag_display_name} </span>
      {width > 0.04 ? (
        <span className="ct-in" aria-hidden="true">
          {text}
          {count > 1 && ` ×${count}`}
        </span>
      ) : (
        count > 1 && (
          <span className="ct-in ct-over" aria-hidden="true">
            ×{count}
          </span>
        )
      )}
    </RunButton>
  );
}

function Background({ spans, from, to, zone }: { spans: Span[]; from: number; to: number; zone: string }) {
  return KINDS.flatMap((kind) =>
    union(spans.filter((span) => span.kind === kind)).map((stretch) => {
      const [left, width] = within(Date.parse(stretch.start), Date.parse(stretch.end), from, to);
      if (width <= 0) return null;
      return (
        <span
          key={`${kind} ${stretch.start}`}
          className={`ct-span ct-${kind}`}
          title={`${kind}: ${[...new Set(stretch.spans.map((span) => spanText(span, zone)))].join(", ")}`}
          style={{ left: percent(left), width: percent(width) }}
        />
      );
    }),
  );
}

interface LoadRowProps {
  name: string;
  load: Load[];
  value: (load: Load) => number;
  from: number;
  to: number;
  /** After this there are more runs than are loaded. */
  known: number;
  zone: string;
  limit?: number;
  /** What the limit is of. */
  about?: string;
}

function LoadRow({ name, load, value, from, to, known, zone, limit, about }: LoadRowProps) {
  const most = Math.max(1, ...load.map(value));
  const title = about ? `${name}: ${about}` : name;
  return (
    <div className="ct-row ct-load">
      <div className="ct-row-name" title={title}>
        {name}
        {limit !== undefined && <span className="ct-muted ct-narrow-off"> of {limit}</span>}
      </div>
      <div className="ct-lane">
        {load.map((each, slot) => {
          const at = from + (slot / SLOTS) * (to - from);
          const count = value(each);
          const least = (limit !== undefined && each.atLeast) || at + (to - from) / SLOTS > known;
          const over = limit !== undefined && count > limit;
          return (
            <span
              key={at}
              className={over ? "ct-warn" : undefined}
              title={`${clockText(new Date(at).toISOString(), zone)}: ${least ? "at least " : ""}${count}${over ? `, more than ${limit}` : ""}`}
              style={{
                left: percent(slot / SLOTS),
                width: percent(1 / SLOTS),
                background: `color-mix(in srgb, var(--ct-brand) ${(count / most) * 45}%, transparent)`,
              }}
            >
              {count ? `${least ? "≥" : ""}${count}` : ""}
            </span>
          );
        })}
      </div>
    </div>
  );
}

/** Where hours are written: as many as there is room for, and in the room of three, the day's name where it begins. */
function hoursOf(from: number, to: number, zone: string) {
  const hours = Math.ceil((to - from) / HOUR);
  const every = hours > 12 ? 2 : 1;
  const all = Array.from({ length: hours }, (_, n) => {
    const at = new Date(from + n * HOUR);
    return { n, at, left: (n * HOUR) / (to - from), text: localOf(at, zone).slice(11, 13) };
  });
  const begins = (n: number): boolean =>
    all[n]?.text === "00" || (n === 0 && !all.slice(1, 4).some((_, m) => begins(m + 1)));
  return all
    .filter(
      ({ n }) => begins(n) || ((n % every === 0 || n === 0) && !(n > 0 && begins(n - 1)) && !(n > 1 && begins(n - 2))),
    )
    .map(({ n, at, left, text }) => ({ left, text, day: begins(n) ? dayText(dayOf(at, zone)) : "" }));
}

const HOUR = 3_600_000;

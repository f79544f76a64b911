import { type CSSProperties, useMemo } from "react";
import { type Load, type LoadHour, type PoolLoad, query, type RunOverrun, type UsualLength } from "../api";
import { useRoving } from "../keys";
import {
  byNeed,
  daysIn,
  fullestOf,
  gridOf,
  HOURS,
  hourText,
  inUse,
  mostOf,
  ofText,
  partOf,
  runsText,
  slotsText,
  slotText,
  stepsOf,
  waits,
  waitText,
  weeksText,
} from "../load";
import type { Go, Place } from "../place";
import { daysOf, type Range } from "../range";
import { dayText, durationText, localOf, momentText, nearText } from "../times";
import { useApi } from "../useApi";
import { DagLink, MidName, Moment, Notice, Side, Trouble } from "./basics";

interface LoadViewProps {
  range: Range;
  zone: string;
  place: Place;
  go: Go;
}

const HOUR = 3_600_000;
const FEW = 10; // runs that may not end in their window, before the others are only counted

/** How full the pools get: each over the days shown, and one of them hour by hour. */
export function LoadView({ range, zone, place, go }: LoadViewProps) {
  const { start, end } = range;
  const load = useApi<Load>(`load?${query({ start, end, timezone: zone })}`, { keep: true });
  const pools = useMemo(() => byNeed(load.data?.pools ?? []), [load.data]);
  const pool = pools.find((each) => each.name === place.pool) ?? pools[0];
  const hour = pool?.hours.find((each) => Date.parse(each.start) === Date.parse(place.hour ?? "")) ?? null;
  const close = () => {
    const opened = place.hour;
    go({ hour: null });
    requestAnimationFrame(() => document.querySelector<HTMLElement>(`[data-hour="${opened}"]`)?.focus());
  };
  const { data } = load;
  return (
    <section aria-label="Load" aria-busy={load.loading && data === null}>
      {load.error && <Trouble error={load.error} readAt={load.readAt} retry={load.reload} />}
      {data === null && load.loading && <p className="ct-loading">Reading what runs take …</p>}
      {data && <Known load={data} end={end} />}
      {data && !pool && <Notice kind="info">No DAG that you may read uses a pool.</Notice>}
      {data && pool && (
        <div className={hour ? "ct-beside" : undefined}>
          <div className="ct-calendar">
            <Strips pools={pools} chosen={pool} zone={zone} onPool={(name) => go({ pool: name, hour: null })} />
            <Grid pool={pool} days={daysOf(range)} zone={zone} open={hour} onHour={(at) => go({ hour: at })} />
            <Overruns load={data} zone={zone} />
          </div>
          {hour && (
            <HourDetails key={hour.start} hour={hour} pool={pool} load={data} zone={zone} go={go} onClose={close} />
          )}
        </div>
      )}
    </section>
  );
}

/** What all of it rests on. */
function Known({ load, end }: { load: Load; end: string }) {
  const { known_dags, unknown_dags, told_until } = load;
  return (
    <>
      <p className="ct-muted ct-load-known">
        What is planned takes slots as the last runs of its DAG did; what runs by hand is not foreseen.{" "}
        {known_dags === 0 ? "So far no run is recorded that you may read." : `Known of ${known_dags} DAGs`}
        {known_dags > 0 && (unknown_dags > 0 ? `, not known yet of ${unknown_dags}. ` : ". ")}
        Only DAGs that you may read count: others may take slots too.
      </p>
      {Date.parse(told_until) < Date.parse(end) && (
        <Notice kind="info">
          What is expected is told until <Moment at={told_until} />.
        </Notice>
      )}
      {load.partial && <Notice kind="warning">Not every run could be found: there may be more than is told.</Notice>}
    </>
  );
}

interface StripsProps {
  pools: PoolLoad[];
  chosen: PoolLoad;
  zone: string;
  onPool: (name: string) => void;
}

/** Each pool over all of the days, against the slots that it has. */
function Strips({ pools, chosen, zone, onPool }: StripsProps) {
  const hours = chosen.hours;
  const [from, to] = [Date.parse(hours[0]?.start ?? ""), Date.parse(hours.at(-1)?.start ?? "") + HOUR];
  const now = (Date.now() - from) / (to - from);
  return (
    <section
      className="ct-timeline ct-strips"
      aria-label="Pools"
      // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard
      tabIndex={0}
      style={{ "--ct-slots": daysIn(hours, zone).length } as CSSProperties}
    >
      <div className="ct-scale" aria-hidden="true">
        <div className="ct-row ct-hours">
          <div className="ct-row-name">Pool</div>
          <div className="ct-lane">
            {daysIn(hours, zone).map(({ day, left }) => (
              <span key={day} style={{ left: `${left * 100}%` }}>
                <strong>{dayText(day)}</strong>
              </span>
            ))}
          </div>
        </div>
      </div>
      {pools.map((pool) => (
        <div className="ct-row" key={pool.name}>
          <div className="ct-row-name">
            <button
              type="button"
              className="ct-plain ct-pool"
              aria-pressed={pool.name === chosen.name}
              onClick={() => onPool(pool.name)}
            >
              <MidName name={pool.name} />
            </button>
            <Live pool={pool} />
          </div>
          <div className="ct-lane">
            <Strip pool={pool} zone={zone} />
            {now >= 0 && now < 1 && <span className="ct-now" style={{ left: `${now * 100}%` }} />}
          </div>
        </div>
      ))}
    </section>
  );
}

/** What is in use at this moment. */
function Live({ pool }: { pool: PoolLoad }) {
  return (
    <span className={pool.waiting > 0 ? "ct-warn" : "ct-muted"}>
      {pool.in_use}
      {ofText(pool)} in use{pool.waiting > 0 && `, ${pool.waiting} waiting`}
    </span>
  );
}

function Strip({ pool, zone }: { pool: PoolLoad; zone: string }) {
  const slots = Math.max(0, pool.slots);
  const most = Math.max(slots * 1.2, mostOf(pool), 1);
  const fullest = fullestOf(pool);
  const { hours } = pool;
  return (
    <svg
      className="ct-strip-chart"
      viewBox={`0 0 ${hours.length} 100`}
      preserveAspectRatio="none"
      role="img"
      aria-label={fullest ? `Fullest at ${hourText(fullest, pool, zone)}` : "Nothing is expected"}
    >
      <path
        className="ct-at-most"
        d={stepsOf(
          pool.hours.map((hour) => hour.peak),
          most,
        )}
      />
      <path
        className="ct-used"
        d={stepsOf(
          hours.map((hour) => (hour.expected === null ? hour.used : null)),
          most,
        )}
      />
      <path
        className="ct-expected"
        d={stepsOf(
          hours.map((hour) => hour.expected),
          most,
        )}
      />
      <path
        className="ct-waiting"
        d={stepsOf(
          hours.map((hour) => (waits(hour) ? most : null)),
          most,
        )}
      />
      {pool.slots >= 0 && (
        <path
          className="ct-limit"
          d={`M0 ${100 - (100 * slots) / most}H${hours.length}`}
          vectorEffect="non-scaling-stroke"
        />
      )}
    </svg>
  );
}

interface GridProps {
  pool: PoolLoad;
  days: string[];
  zone: string;
  open: LoadHour | null;
  onHour: (start: string) => void;
}

/** Every hour of the days, as full as it gets. */
function Grid({ pool, days, zone, open, onHour }: GridProps) {
  const roving = useRoving();
  const grid = useMemo(() => gridOf(pool, days, zone), [pool, days, zone]);
  const most = mostOf(pool);
  const now = Date.now();
  return (
    <section aria-label={`Pool ${pool.name} by the hour`}>
      <h3>
        Pool <bdi>{pool.name}</bdi>: {pool.slots < 0 ? "slots without end" : `${pool.slots} slots`},{" "}
        <Live pool={pool} /> now
      </h3>
      <div className="ct-grid" {...roving}>
        <span aria-hidden="true" />
        {HOURS.map((hour) => (
          <span key={hour} className="ct-grid-hour" aria-hidden="true">
            {`${hour}`.padStart(2, "0")}
          </span>
        ))}
        {grid.map((hours, row) => [
          <span key={days[row]} className="ct-grid-day" aria-hidden="true">
            {dayText(days[row] ?? "")}
          </span>,
          ...hours.map((hour, n) =>
            hour ? (
              <Cell
                key={hour.start}
                {...{ hour, pool, most, zone, onHour }}
                now={Date.parse(hour.start) <= now && now < Date.parse(hour.start) + HOUR}
                open={hour === open}
              />
            ) : (
              // biome-ignore lint/suspicious/noArrayIndexKey: the hour that clocks leave out
              <span key={`${days[row]} ${n}`} />
            ),
          ),
        ])}
      </div>
      <ul className="ct-legend" aria-label="Legend">
        <li>
          <span className="ct-key ct-grid-key" style={{ "--ct-part": "40%" } as CSSProperties} /> slots expected, on
          average: the fuller, the stronger
        </li>
        <li>
          <span className="ct-key ct-grid-key ct-over" /> runs wait for slots here
        </li>
        <li>
          <span className="ct-key ct-grid-key ct-past" /> over: what was used
        </li>
        <li>above, pale: the most at once; dashed: the slots of the pool; red: runs wait</li>
        <li>+ runs of which nothing is known yet</li>
      </ul>
    </section>
  );
}

interface CellProps {
  hour: LoadHour;
  pool: PoolLoad;
  most: number;
  zone: string;
  now: boolean;
  open: boolean;
  onHour: (start: string) => void;
}

function Cell({ hour, pool, most, zone, now, open, onHour }: CellProps) {
  const use = inUse(hour);
  const text =
    hourText(hour, pool, zone) + (now ? `; at this moment ${pool.in_use} in use, ${pool.waiting} waiting` : "");
  const kind = [waits(hour) && "ct-over", hour.expected === null && "ct-past", now && "ct-now-cell"];
  return (
    <button
      type="button"
      tabIndex={-1}
      data-stop
      data-hour={hour.start}
      className={`ct-grid-cell ${kind.filter(Boolean).join(" ")}`}
      style={{ "--ct-part": `${Math.round(partOf(hour, pool, most) * 62)}%` } as CSSProperties}
      title={text}
      aria-label={text}
      aria-expanded={open}
      onClick={() => onHour(hour.start)}
    >
      {use === null ? "?" : use === 0 ? "" : use < 1 ? "·" : Math.round(use)}
      {hour.unknown_runs > 0 && "+"}
    </button>
  );
}

interface HourDetailsProps {
  hour: LoadHour;
  pool: PoolLoad;
  load: Load;
  zone: string;
  go: Go;
  onClose: () => void;
}

/** One hour of a pool: what is expected, what that rests on, and whose runs they are. */
function HourDetails({ hour, pool, load, zone, go, onClose }: HourDetailsProps) {
  const lengths = new Map(load.dags.map((dag) => [dag.dag_id, dag]));
  const local = localOf(hour.start, zone);
  const facts: [string, string][] = [];
  if (hour.expected !== null) {
    facts.push(["Expected", `${slotsText(hour.expected)}${ofText(pool)} slots on average, ${hour.peak ?? 0} at most`]);
    if (hour.rests_on !== null) facts.push(["Rests on", `at least ${runsText(hour.rests_on)} of each DAG`]);
    facts.push([
      "Waiting",
      waits(hour) ? `${waitText(hour)}, for ${slotText(hour.waiting ?? 0)} on average` : "nobody",
    ]);
  }
  if (hour.used !== null) facts.push(["Was in use", `${slotText(hour.used)} on average`]);
  facts.push([
    "Usual at this hour",
    hour.usual === null
      ? "not known yet"
      : `${slotText(hour.usual)} on average, ${slotsText(hour.usual_high ?? 0)} at most: ${weeksText(hour.weeks)} on record`,
  ]);
  if (hour.unknown_runs > 0)
    facts.push([
      "Not known yet",
      `what ${runsText(hour.unknown_runs)} take that start here: none of their DAGs' is on record`,
    ]);
  return (
    <Side
      title={
        <>
          <bdi>{pool.name}</bdi>, {momentText(hour.start, zone)}
        </>
      }
      onClose={onClose}
    >
      <dl className="ct-facts">
        {facts.map(([name, text]) => [<dt key={name}>{name}</dt>, <dd key={`${name} is`}>{text}</dd>])}
      </dl>
      {hour.dags.length > 0 && (
        <>
          <h3>Whose runs these are</h3>
          <ul className="ct-shares">
            {hour.dags.map((share) => (
              <Share key={share.dag_id} dagId={share.dag_id} slots={share.slots} length={lengths.get(share.dag_id)} />
            ))}
            {hour.more_dags > 0 && <li className="ct-muted">and {hour.more_dags} more DAGs that use less</li>}
          </ul>
          <button
            type="button"
            onClick={() =>
              go({ view: "timeline", date: local, zoom: "6", dag: hour.dags.map((each) => each.dag_id), hour: null })
            }
          >
            See their runs
          </button>
        </>
      )}
    </Side>
  );
}

function Share({ dagId, slots, length }: { dagId: string; slots: number; length: UsualLength | undefined }) {
  return (
    <li>
      <span className="ct-line">
        <DagLink id={dagId} name={length?.dag_display_name ?? dagId} />
        <span>{slotText(slots)}</span>
      </span>
      <span className="ct-muted">
        {length
          ? `takes ${durationText(length.median_seconds)}, or up to ${durationText(length.high_seconds)}: ${runsText(length.runs)} on record`
          : "how long it takes is not known yet"}
      </span>
    </li>
  );
}

/** Runs that may still be running when their window has ended. */
function Overruns({ load, zone }: { load: Load; zone: string }) {
  const lengths = new Map(load.dags.map((dag) => [dag.dag_id, dag]));
  if (load.overruns.length === 0) return null;
  const more = load.total_overruns - Math.min(FEW, load.overruns.length);
  return (
    <section aria-label="Runs that may not end in their window">
      <h3>May not end in their window</h3>
      <ul className="ct-shares ct-overruns">
        {load.overruns.slice(0, FEW).map((run) => (
          <li key={`${run.dag_id} ${run.start}`}>
            <DagLink id={run.dag_id} name={lengths.get(run.dag_id)?.dag_display_name ?? run.dag_id} />{" "}
            {overrunText(run, lengths.get(run.dag_id), zone)}
          </li>
        ))}
        {more > 0 && <li className="ct-muted">and {more} more</li>}
      </ul>
    </section>
  );
}

function overrunText(run: RunOverrun, length: UsualLength | undefined, zone: string): string {
  const waiting = run.waits_seconds >= 60 ? `, waits ${durationText(run.waits_seconds)} for slots` : "";
  const begins = run.running ? "is running" : `starts ${momentText(run.start, zone)}${waiting}`;
  const known = length ? ` (${runsText(length.runs)} on record)` : "";
  return `${begins}; time closes ${nearText(run.closes, run.start, zone)}, and it may take until ${nearText(run.ends, run.start, zone)}${known}`;
}

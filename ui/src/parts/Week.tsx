import { useEffect, useRef } from "react";
import type { Counts, Run, Span } from "../api";
import { isMoved, KINDS, runsAtAll, startOf, toneOf, union } from "../events";
import { spanText } from "../reasons";
import { addDays, clockHours, dayOf, dayText, durationText, minuteText, startOfDay } from "../times";
import { MidName } from "./basics";
import { RunButton } from "./RunButton";

interface WeekProps {
  runs: Run[];
  /** By the hour, of all runs: there may be more than are loaded. */
  counts: Counts | null;
  /** What holds for all DAGs in sight. */
  spans: Span[];
  days: string[];
  zone: string;
  onOpen: (run: Run) => void;
  /** An hour has more than there is room for. */
  onHour: (local: string) => void;
}

const HOURS = Array.from({ length: 24 }, (_, hour) => hour);
const ROOM = 2; // lines in an hour
const ROW = 46; // pixels of an hour, as in calendar.css
const WEIGHT = ["ct-failed", "ct-running", "ct-queued", "ct-moved", "ct-planned", "ct-success", "ct-off", "ct-skipped"];

const two = (hour: number): string => `${hour}`.padStart(2, "0");

/** Days side by side, hour by hour: a few runs by name, the rest as a number that opens the day. */
export function Week({ runs, counts, spans, days, zone, onOpen, onHour }: WeekProps) {
  const around = useRef<HTMLElement>(null);
  const cells = cellsOf(runs, zone);
  const total = new Map<string, { runs: number; atLeast: boolean }>();
  for (const count of counts?.counts ?? []) {
    const key = `${dayOf(count.start, zone)}T${two(Math.floor(clockHours(count.start, zone)))}`;
    const was = total.get(key)?.runs ?? 0;
    total.set(key, { runs: was + count.runs - count.often, atLeast: count.at_least });
  }
  const now = new Date();
  const today = dayOf(now, zone);
  const isHere = days.includes(today);
  const hour = Math.floor(clockHours(now, zone));

  // biome-ignore lint/correctness/useExhaustiveDependencies: once for each week, and not as time goes on
  useEffect(() => {
    if (isHere && around.current) around.current.scrollTop = Math.max(0, hour - 1) * ROW;
  }, [isHere, days[0], zone]);

  const many = days.map((day) => runs.filter((run) => run.collapsed && dayOf(middleOf(run), zone) === day));
  return (
    <section
      className="ct-week"
      aria-label="Week"
      ref={around}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard
      tabIndex={0}
      style={{ gridTemplateColumns: `46px repeat(${days.length}, minmax(0, 1fr))` }}
    >
      <div className="ct-week-head" style={{ gridTemplateColumns: `46px repeat(${days.length}, minmax(0, 1fr))` }}>
        <span />
        {days.map((day) => (
          <button type="button" className="ct-plain" key={day} onClick={() => onHour(`${day}T00:00`)}>
            {day === today ? <strong>{dayText(day)}</strong> : dayText(day)}
          </button>
        ))}
        {many.some((here) => here.length > 0) && (
          <>
            <span className="ct-muted ct-all-day">often</span>
            {many.map((here, n) => (
              <div key={days[n]} className="ct-all-day">
                {here.slice(0, ROOM).map((run) => (
                  <Chip key={run.id} run={run} zone={zone} onOpen={onOpen} />
                ))}
                {here.length > ROOM && (
                  <More count={here.length - ROOM} what="DAGs" onClick={() => onHour(`${days[n]}T00:00`)} />
                )}
              </div>
            ))}
          </>
        )}
      </div>
      <div className="ct-week-hours" aria-hidden="true">
        {HOURS.map((each) => (
          <span key={each}>{two(each)}:00</span>
        ))}
      </div>
      {days.map((day) => (
        <div className="ct-week-day" key={day}>
          <Bands spans={spans} day={day} zone={zone} />
          {HOURS.map((each) => {
            const key = `${day}T${two(each)}`;
            return (
              <Cell
                key={each}
                cell={cells.get(key)}
                total={total.get(key)}
                zone={zone}
                onOpen={onOpen}
                onMore={() => onHour(`${key}:00`)}
              />
            );
          })}
          {day === today && <span className="ct-now-line" style={{ top: clockHours(now, zone) * ROW }} />}
        </div>
      ))}
    </section>
  );
}

interface CellRuns {
  real: Run[];
  quiet: Run[];
  /** Runs that were due in this hour, and start in another. */
  ghosts: Run[];
}

function cellsOf(runs: Run[], zone: string): Map<string, CellRuns> {
  const cells = new Map<string, CellRuns>();
  const cellAt = (instant: string): CellRuns => {
    const key = `${dayOf(instant, zone)}T${two(Math.floor(clockHours(instant, zone)))}`;
    const cell = cells.get(key) ?? { real: [], quiet: [], ghosts: [] };
    cells.set(key, cell);
    return cell;
  };
  for (const run of runs) {
    if (run.collapsed) continue;
    const cell = cellAt(run.start ?? run.due);
    (runsAtAll(run) ? cell.real : cell.quiet).push(run);
    if (isMoved(run) && cellAt(run.due) !== cell) cellAt(run.due).ghosts.push(run);
  }
  for (const { real } of cells.values())
    real.sort((a, b) => WEIGHT.indexOf(toneOf(a)) - WEIGHT.indexOf(toneOf(b)) || startOf(a) - startOf(b));
  return cells;
}

const middleOf = (run: Run): Date => {
  const at = Date.parse(run.start ?? run.due);
  const { count = 1, every_seconds: every = 0 } = run.collapsed ?? {};
  return new Date(at + (every * 1000 * (count - 1)) / 2);
};

interface CellProps {
  cell: CellRuns | undefined;
  total: { runs: number; atLeast: boolean } | undefined;
  zone: string;
  onOpen: (run: Run) => void;
  onMore: () => void;
}

function Cell({ cell = { real: [], quiet: [], ghosts: [] }, total, zone, onOpen, onMore }: CellProps) {
  const { real, quiet, ghosts } = cell;
  const lines = Math.max(real.length, total?.runs ?? 0) + quiet.length; // not all of them may be loaded
  const loaded = real.length + quiet.length;
  const shown = lines > ROOM ? [...real, ...quiet].slice(0, 1) : [...real, ...quiet];
  return (
    <div className="ct-cell">
      {shown.map((run) => (
        <Chip key={run.id} run={run} zone={zone} onOpen={onOpen} />
      ))}
      {loaded > 0 && lines > shown.length && <More count={lines - shown.length} what="runs" onClick={onMore} />}
      {loaded === 0 && total && total.runs > 0 && <Total total={total} onClick={onMore} />}
      {ghosts.slice(0, Math.max(0, ROOM - lines)).map((run) => (
        <span key={run.id} className="ct-run ct-ghost" data-run-due={run.id}>
          <span className="ct-time">due </span>
          <MidName name={run.dag_display_name} />
        </span>
      ))}
    </div>
  );
}

function Chip({ run, zone, onOpen }: { run: Run; zone: string; onOpen: (run: Run) => void }) {
  return (
    <RunButton run={run} zone={zone} onOpen={onOpen} className="ct-chip">
      <span className="ct-in">
        <span className="ct-time">{run.collapsed ? "" : `${minuteText(run.start ?? run.due, zone)} `}</span>
        <span className="ct-name">
          <MidName name={run.dag_display_name} />
        </span>
        {run.collapsed && <span className="ct-note"> every {durationText(run.collapsed.every_seconds)}</span>}
        {run.late && <span className="ct-note ct-warn"> late</span>}
      </span>
    </RunButton>
  );
}

function More({ count, what, onClick }: { count: number; what: string; onClick: () => void }) {
  return (
    <button type="button" tabIndex={-1} data-stop className="ct-more" onClick={onClick}>
      +{count}
      <span className="ct-sr"> {what} more: see the day as a list</span>
    </button>
  );
}

function Total({ total, onClick }: { total: { runs: number; atLeast: boolean }; onClick: () => void }) {
  return (
    <button type="button" tabIndex={-1} data-stop className="ct-more ct-total" onClick={onClick}>
      {total.atLeast ? "≥" : ""}
      {total.runs}
      <span className="ct-narrow-off"> {total.runs === 1 ? "run" : "runs"}</span>
      <span className="ct-sr">: see the day as a list</span>
    </button>
  );
}

function Bands({ spans, day, zone }: { spans: Span[]; day: string; zone: string }) {
  const [from, to] = [startOfDay(day, zone).toISOString(), startOfDay(addDays(day, 1), zone).toISOString()];
  const hours = (instant: string) => (instant <= from ? 0 : instant >= to ? 24 : clockHours(instant, zone));
  return KINDS.flatMap((kind) =>
    union(spans.filter((span) => span.kind === kind)).map((stretch) => {
      const [top, bottom] = [hours(stretch.start), hours(stretch.end)];
      if (bottom <= top) return null;
      const text = [...new Set(stretch.spans.map((span) => spanText(span, zone)))].join(", ");
      return (
        <span
          key={`${kind} ${stretch.start}`}
          className={`ct-span ct-${kind}`}
          title={`${kind}: ${text}`}
          style={{ top: top * ROW, height: (bottom - top) * ROW }}
        >
          {kind === "blackout" && <span className="ct-label">{text}</span>}
        </span>
      );
    }),
  );
}

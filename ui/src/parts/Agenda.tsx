import { Fragment, useState } from "react";
import type { Run } from "../api";
import { grouped, isMoved, type RowOfRuns, stateText, toneOf } from "../events";
import { afterTexts, endsTooLate, reasonTexts, whenText } from "../reasons";
import { clockText, dayOf, dayText, durationText, minuteText, nearText } from "../times";
import { StateBadge } from "./basics";
import { RunButton } from "./RunButton";

interface AgendaProps {
  runs: Run[];
  start: string;
  zone: string;
  onOpen: (run: Run) => void;
}

const AT_FIRST = 250; // rows: as many as a browser draws at once

/** The runs in the order of time, in words: what is under way, a line where it is now, and what comes. */
export function Agenda({ runs, start, zone, onOpen }: AgendaProps) {
  const [most, setMost] = useState(AT_FIRST);
  const now = new Date().toISOString();
  const rows = grouped(runs, zone);
  const today = dayOf(now, zone);
  const days = new Map<string, RowOfRuns[]>(dayOf(start, zone) === today ? [[today, []]] : []); // for the line, if for nothing else
  for (const row of rows.slice(0, most)) {
    const at = row.run.start ?? row.run.due;
    const day = dayOf(at < start ? start : at, zone);
    days.set(day, [...(days.get(day) ?? []), row]);
  }
  const next = start <= now ? rows.find((row) => atOf(row.run) > now) : undefined;
  // The line is before what comes next; where nothing of today does, after what was today.
  const ends = days.has(today) && start <= now && (!next || dayOf(atOf(next.run), zone) !== today);
  const line = (
    <li className="ct-now-row" aria-label={`Now: ${minuteText(now, zone)}`}>
      now {minuteText(now, zone)}
    </li>
  );
  return (
    <div className="ct-agenda">
      {[...days].map(([day, here]) => (
        <section key={day} aria-label={dayText(day)}>
          <h3 className="ct-day-head">
            {dayText(day)}
            {day === today && <span className="ct-muted"> today</span>}
          </h3>
          <ul>
            {here.map((row) => (
              <Fragment key={row.run.id}>
                {row === next && !ends && line}
                <li>
                  <AgendaRow row={row} before={atOf(row.run) < start} {...{ zone, onOpen }} />
                </li>
              </Fragment>
            ))}
            {ends && day === today && line}
          </ul>
        </section>
      ))}
      {rows.length > most && (
        <button type="button" onClick={() => setMost(most + AT_FIRST)}>
          Show {Math.min(AT_FIRST, rows.length - most)} more of {rows.length}
        </button>
      )}
    </div>
  );
}

const atOf = (run: Run): string => run.start ?? run.due;

interface AgendaRowProps {
  row: RowOfRuns;
  /** Whether it started before what is shown. */
  before: boolean;
  zone: string;
  onOpen: (run: Run) => void;
}

function AgendaRow({ row: { run, last, count }, before, zone, onOpen }: AgendaRowProps) {
  const many = last !== run;
  return (
    <RunButton {...{ run, zone, onOpen }} className="ct-entry">
      <span className="ct-time">
        {before ? nearText(atOf(run), new Date().toISOString(), zone) : clockText(atOf(run), zone)}
      </span>
      <span className={`ct-dot ${toneOf(run)}`} aria-hidden="true" />
      <span className="ct-line">
        <bdi className="ct-name">{run.dag_display_name}</bdi> <StateBadge run={run} />
        {run.late && <span className="ct-warn"> late</span>}
        {run.paused && <span className="ct-badge">DAG paused</span>}
        {many && <span className="ct-note">{`${count} due times until ${clockText(last.due, zone)}`}</span>}
        {run.collapsed && !many && <span className="ct-note">{everyText(run, zone)}</span>}
        {!run.collapsed && run.end && <span className="ct-note">{whenText(run, zone)}</span>}
      </span>
      <Why run={run} zone={zone} />
    </RunButton>
  );
}

function Why({ run, zone }: { run: Run; zone: string }) {
  const due = isMoved(run) ? [`due ${nearText(run.due, atOf(run), zone)}`] : [];
  const why = [...due, ...reasonTexts(run, zone)];
  const after = run.state === "planned" || run.state === "running" ? afterTexts(run, zone) : [];
  return (
    <>
      {why.length > 0 && <span className="ct-why">{why.join(" · ")}</span>}
      {after.length > 0 && <span className={`ct-why ${endsTooLate(run) ? "ct-warn" : ""}`}>{after.join(" · ")}</span>}
    </>
  );
}

/** "48 runs, every 30 min until 23:30". */
function everyText(run: Run, zone: string): string {
  const { count = 1, every_seconds: every = 0 } = run.collapsed ?? {};
  const last = new Date(Date.parse(atOf(run)) + every * 1000 * (count - 1)).toISOString();
  const what = run.start ? "runs" : `due times ${stateText(run)}`;
  return `${count} ${what}, every ${durationText(every)} until ${nearText(last, atOf(run), zone)}`;
}

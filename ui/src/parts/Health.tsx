import { useZone } from "../airflow";
import { type CalendarHealth, type CalendarProblem, query } from "../api";
import { durationText, reachText } from "../times";
import type { Answer } from "../useApi";
import { DagLink, Drawer, Moment, Notice, Trouble } from "./basics";

export interface Calendars {
  calendars: CalendarHealth[];
  total_entries: number;
  truncated: boolean;
}

/** Asks of all calendars, as far as one answer goes, or of one DAG's. */
export const calendarsOf = (dagId?: string): string => `calendars?${query({ dag_id: dagId, limit: 5000 })}`;

export const isTroubled = (calendar: CalendarHealth): boolean =>
  calendar.status === "stale" || calendar.status === "unavailable";

export const isIncomplete = (calendar: CalendarHealth): boolean => calendar.status === "incomplete";

const TONE = {
  ok: "ct-success",
  incomplete: "ct-moved",
  stale: "ct-moved",
  unavailable: "ct-failed",
  unknown: "ct-queued",
};
const SAID = {
  ok: "",
  incomplete: "read, except for the events below",
  stale: "stale: an old copy is used",
  unavailable: "cannot be read",
  unknown: "not known yet",
};

interface HealthProps {
  answer: Answer<Calendars>;
  /** Whose calendars they are; without it, those of all DAGs that people may see. */
  dagId?: string | undefined;
}

/** How each calendar is doing: whether it is read, how old its copy is, and what in it is not understood. */
export function Health({ answer, dagId }: HealthProps) {
  const calendars = [...(answer.data?.calendars ?? [])];
  const order = ["unavailable", "stale", "incomplete", "unknown", "ok"];
  calendars.sort((a, b) => order.indexOf(a.status) - order.indexOf(b.status) || a.label.localeCompare(b.label));
  return (
    <>
      {answer.error && <Trouble error={answer.error} readAt={answer.readAt} retry={answer.reload} />}
      {answer.data === null && answer.loading && <p className="ct-loading">Reading how the calendars are …</p>}
      {answer.data && calendars.length === 0 && (
        <Notice kind="info">
          {dagId ? "This DAG's schedule uses no calendar." : "No DAG that you may see uses a calendar."}
        </Notice>
      )}
      {answer.data?.truncated && (
        <Notice kind="warning">
          The first {calendars.length} of {answer.data.total_entries} calendars are shown; a DAG's tab has all of its
          own.
        </Notice>
      )}
      <ul className="ct-cards">
        {calendars.map((calendar) => (
          <Card key={`${calendar.label} ${calendar.roles} ${calendar.dag_ids}`} calendar={calendar} />
        ))}
      </ul>
    </>
  );
}

export function HealthDrawer({ answer, onClose }: { answer: Answer<Calendars>; onClose: () => void }) {
  return (
    <Drawer title="Calendar health" onClose={onClose}>
      <p className="ct-muted">The calendars that decide when DAGs may start, and when each was last fetched.</p>
      <Health answer={answer} />
    </Drawer>
  );
}

function Card({ calendar }: { calendar: CalendarHealth }) {
  const mattering = calendar.problems.filter((problem) => problem.matters);
  const over = calendar.problems.filter((problem) => !problem.matters);
  return (
    <li className="ct-card">
      <p>
        <strong>
          <bdi>{calendar.label}</bdi>
        </strong>{" "}
        <span className={`ct-badge ${TONE[calendar.status]}`}>{calendar.status}</span>{" "}
        <span className="ct-muted">{SAID[calendar.status]}</span>
      </p>
      {calendar.error && <p className="ct-error">{calendar.error}</p>}
      <dl className="ct-facts">
        {calendar.read_at && (
          <>
            <dt>Last read</dt>
            <dd>
              <Moment at={calendar.read_at} />
              {calendar.age_seconds !== null && (
                <span className="ct-muted"> {durationText(calendar.age_seconds)} old</span>
              )}
            </dd>
          </>
        )}
        {calendar.next_retry && (
          <>
            <dt>Next try</dt>
            <dd>
              <Moment at={calendar.next_retry} />
            </dd>
          </>
        )}
        {calendar.events !== null && (
          <>
            <dt>Events</dt>
            <dd>{calendar.events}</dd>
          </>
        )}
        {isTroubled(calendar) && calendar.on_unavailable && (
          <>
            <dt>Meanwhile</dt>
            <dd>{meanwhile(calendar)}</dd>
          </>
        )}
        <dt>Used by</dt>
        <dd>
          {calendar.dag_ids.map((id) => (
            <span key={id} className="ct-item">
              <DagLink id={id} name={id} />
            </span>
          ))}
          {calendar.roles.length > 0 && <span className="ct-muted">as {calendar.roles.join(", ")}</span>}
        </dd>
      </dl>
      <Problems problems={mattering} />
      {over.length > 0 && (
        <details>
          <summary>{over.length === 1 ? "1 past event" : `${over.length} past events`} could not be parsed</summary>
          <Problems problems={over} />
        </details>
      )}
    </li>
  );
}

function Problems({ problems }: { problems: CalendarProblem[] }) {
  const zone = useZone();
  return problems.length === 0 ? null : (
    <ul>
      {problems.map((problem, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: one event may have the same problem twice
        <li key={`${index} ${problem.uid}`}>
          Could not be parsed: <bdi className="ct-mono">{problem.uid || "an event without UID"}</bdi>: {problem.reason};{" "}
          <strong>{reachText(problem, zone)}</strong>
        </li>
      ))}
    </ul>
  );
}

function meanwhile(calendar: CalendarHealth): string {
  const limit =
    calendar.max_stale_seconds === null ? "" : `, once its copy is ${durationText(calendar.max_stale_seconds)} old`;
  return calendar.on_unavailable === "ignore" ? `taken as empty${limit}` : `its DAGs are held${limit}`;
}

import { type FormEvent, useState } from "react";
import { useZone } from "../airflow";
import {
  type ApiError,
  type BetterTimes,
  type Bookable,
  type BookingMade,
  call,
  type ImpactTold,
  query,
  type RunMoved,
  troubleOf,
} from "../api";
import type { Period } from "../freezes";
import { instantAt, localOf, spanOfTime } from "../times";
import { useApi } from "../useApi";
import { DagLink, Moment, Notice, Side, Trouble } from "./basics";

const MOST = 100; // runs that are listed
const MINUTE = 60_000;

interface PlanFreezeProps {
  period: Period;
  dags: string[];
  tags: string[];
  paused: boolean;
  onPeriod: (period: Period) => void;
  onClose: () => void;
}

/** What a freeze would do before it is in force: its impact, better times for it, and the booking of it. */
export function PlanFreeze({ period, dags, tags, paused, onPeriod, onClose }: PlanFreezeProps) {
  const zone = useZone();
  const [start, end] = period;
  const bookable = useApi<Bookable>("bookings");
  const calendars = bookable.data?.calendars ?? [];
  const [chosen, setChosen] = useState<string | null>(null);
  // Where there are several, each holds other DAGs.
  const calendar = chosen ?? calendars[0];
  const scope = { dag_id: dags, tag: tags, paused: paused ? true : undefined, timezone: zone, calendar };
  const impact = useApi<ImpactTold>(
    bookable.loading && !bookable.data ? null : `impact?${query({ start, end, ...scope, limit: MOST })}`,
    { keep: true },
  );
  return (
    <Side title="Plan a freeze" onClose={onClose}>
      <PeriodForm key={`${start} ${end}`} period={period} onPeriod={onPeriod} />
      <div aria-live="polite" aria-busy={impact.loading}>
        {impact.error && <Trouble error={impact.error} readAt={null} retry={impact.reload} />}
        {impact.data && !impact.error && <Impact told={impact.data} filtered={dags.length + tags.length > 0} />}
        {!impact.data && impact.loading && <p className="ct-loading">Working out what would move …</p>}
      </div>
      <Better key={`better ${start} ${end}`} period={period} scope={scope} onPeriod={onPeriod} />
      {calendar && (
        <Book key={`book ${start} ${end}`} period={period} {...{ calendar, calendars }} onCalendar={setChosen} />
      )}
    </Side>
  );
}

function PeriodForm({ period, onPeriod }: Pick<PlanFreezeProps, "period" | "onPeriod">) {
  const zone = useZone();
  const [from, setFrom] = useState(() => localOf(period[0], zone));
  const [until, setUntil] = useState(() => localOf(period[1], zone));
  const [wrong, setWrong] = useState(false);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const [start, end] = [instantAt(from, zone), instantAt(until, zone)];
    setWrong(!(start < end));
    if (start < end) onPeriod([start.toISOString(), end.toISOString()]);
  };
  return (
    <form className="ct-form ct-period" onSubmit={submit}>
      <label>
        <span>
          From <span className="ct-muted">({zone})</span>
        </span>
        <input type="datetime-local" required value={from} onChange={(event) => setFrom(event.target.value)} />
      </label>
      <label>
        <span>Until</span>
        <input
          type="datetime-local"
          required
          value={until}
          aria-invalid={wrong}
          onChange={(event) => setUntil(event.target.value)}
        />
        {wrong && (
          <span className="ct-error" role="alert">
            Give a time after the start.
          </span>
        )}
      </label>
      <button type="submit">Show impact</button>
    </form>
  );
}

function Impact({ told, filtered }: { told: ImpactTold; filtered: boolean }) {
  const zone = useZone();
  const dags = `${told.dags} ${told.dags === 1 ? "DAG" : "DAGs"}`;
  return (
    <>
      <p className="ct-lead">
        A freeze {spanOfTime(new Date(told.start), new Date(told.end), zone)} <strong>{told.summary}</strong>.
      </p>
      <p className="ct-muted">
        Of {dags} {filtered ? "that the filters leave" : "that you may see"}. Nothing is changed so far.
      </p>
      {told.untold_dags.length > 0 && (
        <Notice kind="warning">
          Not worked out in the time there was: <bdi>{told.untold_dags.join(", ")}</bdi>
        </Notice>
      )}
      {told.changes.length > 0 && <Changes told={told} />}
      {told.waiting_dags.length > 0 && (
        <details>
          <summary>Without due times: their tasks would wait</summary>
          <ul className="ct-names">
            {told.waiting_dags.map((dag) => (
              <li key={dag}>
                <DagLink id={dag} name={dag} />
              </li>
            ))}
          </ul>
        </details>
      )}
    </>
  );
}

function Changes({ told }: { told: ImpactTold }) {
  const left = told.total_entries - told.changes.length;
  return (
    <div className="ct-table-box">
      <table className="ct-table">
        <thead>
          <tr>
            <th scope="col">DAG</th>
            <th scope="col">Now starts</th>
            <th scope="col">Would start</th>
          </tr>
        </thead>
        <tbody>
          {told.changes.map((run) => (
            <tr key={`${run.dag_id} ${run.due}`}>
              <td data-label="DAG">
                <DagLink id={run.dag_id} name={run.dag_display_name} />
              </td>
              <td data-label="Now starts">{run.start ? <Moment at={run.start} /> : "does not run"}</td>
              <td data-label="Would start">
                <WouldStart run={run} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {left > 0 && <p className="ct-muted">And {left} more: the API and the command line list them all.</p>}
    </div>
  );
}

function WouldStart({ run }: { run: RunMoved }) {
  return (
    <>
      {run.new_start ? <Moment at={run.new_start} /> : "does not run"}
      <span className={run.misses_deadline ? "ct-why ct-warn" : "ct-why"}>{run.how}</span>
    </>
  );
}

interface BetterProps {
  period: Period;
  scope: Record<string, string | string[] | boolean | undefined>;
  onPeriod: (period: Period) => void;
}

/** Times of the same length in the next two weeks that would disturb least. */
function Better({ period, scope, onPeriod }: BetterProps) {
  const zone = useZone();
  const [asked, setAsked] = useState(false);
  const length = Math.max(1, Math.round((Date.parse(period[1]) - Date.parse(period[0])) / MINUTE));
  const found = useApi<BetterTimes>(asked ? `find?${query({ length, days: 14, ...scope })}` : null, { once: true });
  if (!asked) {
    return (
      <p>
        <button type="button" onClick={() => setAsked(true)}>
          Find a better time
        </button>
      </p>
    );
  }
  return (
    <section aria-label="Better times" aria-busy={found.loading}>
      <h3>Within 14 days, these disturb least</h3>
      {found.error && <Trouble error={found.error} readAt={found.readAt} retry={found.reload} />}
      {!found.data && found.loading && <p className="ct-loading">Searching …</p>}
      {found.data?.partial && (
        <Notice kind="info">There was no time to look at every hour: there may be better ones.</Notice>
      )}
      {found.data?.times.length === 0 && <Notice kind="info">There is no such time.</Notice>}
      <ul className="ct-cards">
        {found.data?.times.map((time) => (
          <li key={time.start} className="ct-card ct-subscription">
            <div>
              <strong>{spanOfTime(new Date(time.start), new Date(time.end), zone)}</strong>
              <span className="ct-why">{time.summary}</span>
            </div>
            <button type="button" onClick={() => onPeriod([time.start, time.end])}>
              Use
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}

interface BookProps {
  period: Period;
  calendar: string;
  calendars: string[];
  onCalendar: (name: string) => void;
}

/** Enter the freeze into a calendar of the deployment, by who may edit that calendar's Connection. */
function Book({ period, calendar, calendars, onCalendar }: BookProps) {
  const [start, end] = period;
  const [title, setTitle] = useState("Freeze");
  const [made, setMade] = useState<BookingMade | null>(null);
  const [trouble, setTrouble] = useState<ApiError | null>(null);
  const [busy, setBusy] = useState(false);

  const book = async (event: FormEvent) => {
    event.preventDefault();
    if (busy) return;
    setBusy(true);
    setTrouble(null);
    try {
      setMade(
        await call<BookingMade>("bookings", { method: "POST", body: JSON.stringify({ start, end, title, calendar }) }),
      );
    } catch (error) {
      setTrouble(troubleOf(error));
    }
    setBusy(false);
  };
  return (
    <section aria-label="Book it">
      <h3>Book it</h3>
      <form className="ct-form" onSubmit={book}>
        <label>
          <span>Title</span>
          <input required maxLength={200} value={title} onChange={(event) => setTitle(event.target.value)} />
        </label>
        <label>
          <span>Calendar</span>
          <select value={calendar} onChange={(event) => onCalendar(event.target.value)}>
            {calendars.map((name) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        </label>
        <button type="submit" className="ct-primary" aria-disabled={busy}>
          Book it
        </button>
      </form>
      {trouble && <Notice kind="error">{trouble.message}</Notice>}
      {made && (
        <Notice kind="info">
          {made.created ? "Entered into" : "It is already in"} <bdi>{made.calendar}</bdi>. DAGs follow once that
          calendar is read again, and this page then shows it.
        </Notice>
      )}
    </section>
  );
}

import type { Count, Counts, Span } from "../api";
import { union } from "../events";
import { spanText } from "../reasons";
import { within } from "../timeline";
import { addDays, dayOf, dayText, startOfDay } from "../times";
import { MidName } from "./basics";

interface MonthProps {
  /** By the day, all of them. */
  counts: Counts | null;
  /** What holds for all DAGs in sight. */
  spans: Span[];
  days: string[];
  /** Of which month the days are, where they are of one: those of others are dimmed. */
  month: string | null;
  zone: string;
  onDay: (day: string) => void;
}

/** How many runs start on each day, and whose; a day leads to its list. */
export function Month({ counts, spans, days, month, zone, onDay }: MonthProps) {
  const today = dayOf(new Date(), zone);
  const byDay = new Map(counts?.counts.map((count) => [dayOf(count.start, zone), count]));
  return (
    <div className="ct-month">
      {days.slice(0, 7).map((day) => (
        <span key={day} className="ct-month-head">
          {dayText(day).slice(0, 3)}
        </span>
      ))}
      {days.map((day) => (
        <button
          type="button"
          key={day}
          tabIndex={-1}
          data-stop
          data-day={day}
          className={`ct-day ${month && day.slice(0, 7) !== month.slice(0, 7) ? "ct-other" : ""}`}
          aria-current={day === today ? "date" : undefined}
          onClick={() => onDay(day)}
        >
          <span className="ct-day-number">
            <span className="ct-sr">{dayText(day)}: </span>
            <span aria-hidden="true">{day.endsWith("-01") ? dayText(day).slice(4) : Number(day.slice(8))}</span>
          </span>
          <Blackouts spans={spans} day={day} zone={zone} />
          <Day count={byDay.get(day)} />
        </button>
      ))}
    </div>
  );
}

function Day({ count }: { count: Count | undefined }) {
  if (!count) return null;
  const { runs, moved, failed, running, skipped, at_least, dags, more_dags } = count;
  const parts: [number, string, string][] = [
    [running, "running", "ct-running"],
    [failed, "failed", "ct-failed"],
    [moved, "moved", "ct-moved"],
    [skipped, "skipped", "ct-skipped"],
  ];
  if (runs === 0 && skipped === 0 && !at_least) return <span className="ct-sr">nothing</span>;
  return (
    <>
      <span className="ct-day-runs">
        <strong>
          {at_least ? "≥" : ""}
          {runs}
        </strong>
        <span className="ct-narrow-off"> {runs === 1 ? "run" : "runs"}</span>
      </span>
      <span className="ct-day-parts">
        {parts.map(
          ([number, what, tone]) =>
            number > 0 && (
              <span key={what} className={`ct-badge ${tone}`}>
                {number}
                <span className="ct-narrow-off"> {what}</span>
              </span>
            ),
        )}
      </span>
      <span className="ct-day-dags">
        {dags.map((dag) => (
          <span key={dag.dag_id} className="ct-name">
            <MidName name={dag.dag_display_name} />
            {dag.runs > 1 && <span className="ct-note"> ×{dag.runs}</span>}
          </span>
        ))}
        {more_dags > 0 && <span className="ct-note">+{more_dags} DAGs</span>}
      </span>
    </>
  );
}

/** A day's blackouts on a strip as long as the day: an hour does not paint all of it. */
function Blackouts({ spans, day, zone }: { spans: Span[]; day: string; zone: string }) {
  const [from, to] = [startOfDay(day, zone).getTime(), startOfDay(addDays(day, 1), zone).getTime()];
  const here = union(spans.filter((span) => span.kind === "blackout")).filter(
    (stretch) => Date.parse(stretch.start) < to && Date.parse(stretch.end) > from,
  );
  if (here.length === 0) return null;
  const names = [...new Set(here.flatMap((stretch) => stretch.spans.map((span) => spanText(span, zone))))];
  return (
    <span className="ct-strip" title={`blackout: ${names.join(", ")}`}>
      {here.map((stretch) => {
        const [left, width] = within(Date.parse(stretch.start), Date.parse(stretch.end), from, to);
        return (
          <span
            key={stretch.start}
            className="ct-span ct-blackout"
            style={{ left: `${left * 100}%`, width: `${width * 100}%` }}
          />
        );
      })}
    </span>
  );
}

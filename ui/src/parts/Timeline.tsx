import type { CSSProperties } from "react";
import type { Run, Span } from "../api";
import { isMoved, KINDS, stateText, toneOf, union } from "../events";
import { loadOf, rowsOf, within } from "../timeline";
import { clockText, dayOf, dayText, durationText, minuteText } from "../times";
import { DagLink } from "./basics";

interface TimelineProps {
  runs: Run[];
  spans: Span[];
  /** The shown time, in UTC: whole local days, of 23 or 25 hours where the clocks change. */
  start: string;
  end: string;
  zone: string;
  onOpen: (run: Run) => void;
}

const HOUR = 3_600_000;
const LANE = 26;

const percent = (part: number): string => `${part * 100}%`;

/** A row for every DAG: what overlaps tonight, and what each run waits for. */
export function Timeline({ runs, spans, start, end, zone, onOpen }: TimelineProps) {
  const [from, to] = [Date.parse(start), Date.parse(end)];
  const hours = Array.from({ length: Math.round((to - from) / HOUR) }, (_, n) => n);
  const rows = rowsOf(runs, from, to);
  const load = loadOf(runs, from, hours.length);
  const most = Math.max(1, ...load);
  const now = Date.now();
  return (
    <section
      className="ct-timeline"
      aria-label="Timeline"
      // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard
      tabIndex={0}
      style={{ "--ct-hours": hours.length } as CSSProperties}
    >
      <div className="ct-row ct-hours" aria-hidden="true">
        <div className="ct-row-name">DAG</div>
        <div className="ct-lane">
          {hours.map((hour) => {
            const text = clockText(new Date(from + hour * HOUR).toISOString(), zone).slice(0, 2);
            if (Number(text) % 3 !== 0 || text === "03") return null; // a day's name needs the room of two
            const day = text === "00" && dayText(dayOf(new Date(from + hour * HOUR), zone));
            return (
              <span key={hour} style={{ left: percent(hour / hours.length) }}>
                {day ? <strong>{day}</strong> : text}
              </span>
            );
          })}
        </div>
      </div>
      <div className="ct-row ct-load">
        <div className="ct-row-name">At once</div>
        <div className="ct-lane">
          {load.map((count, hour) => (
            <span
              // biome-ignore lint/suspicious/noArrayIndexKey: an hour is its place
              key={hour}
              style={{
                left: percent(hour / hours.length),
                width: percent(1 / hours.length),
                background: `color-mix(in srgb, var(--ct-brand) ${(count / most) * 45}%, transparent)`,
              }}
            >
              {count || ""}
            </span>
          ))}
        </div>
      </div>
      {[...rows].map(([dagId, placed]) => (
        <div className="ct-row" key={dagId}>
          <div className="ct-row-name">
            <DagLink id={dagId} name={placed[0]?.run.dag_display_name ?? dagId} />
          </div>
          <div className="ct-lane" style={{ height: LANE * (1 + Math.max(...placed.map((each) => each.lane))) + 4 }}>
            {KINDS.flatMap((kind) =>
              union(spans.filter((span) => span.kind === kind && span.dag_ids.includes(dagId))).map((span) => {
                const [left, width] = within(Date.parse(span.start), Date.parse(span.end), from, to);
                if (width <= 0) return null;
                return (
                  <span
                    key={`${kind} ${span.start}`}
                    className={`ct-span ct-${kind}`}
                    title={`${kind}: ${span.labels.join(", ")}`}
                    style={{ left: percent(left), width: percent(width) }}
                  />
                );
              }),
            )}
            {placed.map(({ run }) => {
              if (!isMoved(run)) return null;
              const due = Date.parse(run.due);
              if (due < from || due >= to) return null;
              const [left] = within(due, due, from, to);
              return <span key={run.id} className="ct-due" style={{ left: percent(left) }} data-run={run.id} />;
            })}
            {placed.map(({ run, left, width, lane }) => (
              <button
                type="button"
                key={run.id}
                className={`ct-run ${toneOf(run)}${run.paused ? " ct-paused" : ""}`}
                data-run={run.id}
                style={{ left: percent(left), width: percent(width), top: LANE * lane + 3 }}
                onClick={() => onOpen(run)}
              >
                {width > 0.035 && (
                  <span className="ct-in" aria-hidden="true">
                    {run.collapsed
                      ? `every ${durationText(run.collapsed.every_seconds)}`
                      : minuteText(run.start ?? run.due, zone)}
                  </span>
                )}
                <span className="ct-sr">
                  {run.dag_display_name}, {stateText(run)}. {run.explanation}
                </span>
              </button>
            ))}
            {now >= from && now < to && (
              <span className="ct-now" style={{ left: percent((now - from) / (to - from)) }} />
            )}
          </div>
        </div>
      ))}
    </section>
  );
}

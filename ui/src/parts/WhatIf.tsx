import { type FormEvent, useState } from "react";
import { useZone } from "../airflow";
import { type ApiError, type Arguments, call, type Plan, type WhatIf as Result, troubleOf } from "../api";
import { reasonTexts } from "../reasons";
import { changesOf, compare, type Form, formOf } from "../whatif";
import { Moment, Notice, StateBadge } from "./basics";
import { Copy } from "./Copy";

const POLICIES = {
  postpone: "start in the next available slot",
  advance: "start in an earlier available slot",
  skip: "skip the run",
  run: "run anyway",
};

/** Try other windows, duration or policy, and see the plan move before the DAG is edited. */
export function WhatIf({ plan, given }: { plan: Plan; given: Arguments }) {
  const [form, setForm] = useState<Form>(() => formOf(given));
  const [result, setResult] = useState<Result | null>(null);
  const [trouble, setTrouble] = useState<ApiError | null>(null);
  const [busy, setBusy] = useState(false);
  const set = (change: Partial<Form>) => setForm((was) => ({ ...was, ...change }));
  const wrong = (field: string) => trouble?.fields.find((each) => each.field === field)?.message;

  const attempt = async (event: FormEvent) => {
    event.preventDefault();
    if (busy) return;
    setBusy(true);
    try {
      const body = JSON.stringify(changesOf(form, given));
      setResult(await call<Result>(`dags/${encodeURIComponent(plan.dag_id)}/what-if`, { method: "POST", body }));
      setTrouble(null);
    } catch (error) {
      setTrouble(troubleOf(error));
    }
    setBusy(false);
  };
  const reset = () => {
    setForm(formOf(given));
    setResult(null);
    setTrouble(null);
  };

  return (
    <div className="ct-whatif">
      <form className="ct-form" onSubmit={attempt}>
        <TimeSetField
          label="Windows"
          hint={`Runs may start only within these. One rule per line, in ${plan.timezone}, such as mon-fri 19:00-07:00`}
          rules={form.windows}
          calendars={given.window_calendars}
          kept={form.windowCalendars}
          error={wrong("windows")}
          onChange={(windows, windowCalendars) => set({ windows, windowCalendars })}
        />
        <TimeSetField
          label="Blackouts"
          hint={`Runs may not start, nor be running, within these. In ${plan.timezone}`}
          rules={form.blackouts}
          calendars={given.blackout_calendars}
          kept={form.blackoutCalendars}
          error={wrong("blackouts")}
          onChange={(blackouts, blackoutCalendars) => set({ blackouts, blackoutCalendars })}
        />
        <NumberField
          label="Duration (hours)"
          value={form.hours}
          error={wrong("duration_seconds")}
          onChange={(hours) => set({ hours })}
        />
        <label>
          <span>When a run is blocked</span>
          <select value={form.when_blocked} onChange={(event) => set({ when_blocked: event.target.value })}>
            {Object.entries(POLICIES).map(([value, text]) => (
              <option key={value} value={value}>
                {text}
              </option>
            ))}
          </select>
        </label>
        <NumberField
          label="Maximum delay (hours)"
          value={form.delayHours}
          error={wrong("max_delay_seconds")}
          onChange={(delayHours) => set({ delayHours })}
        />
        <NumberField
          label="Stagger (minutes)"
          placeholder={given.staggered_by_seconds ? "unchanged" : "none"}
          value={form.staggerMinutes}
          error={wrong("stagger_seconds")}
          onChange={(staggerMinutes) => set({ staggerMinutes })}
        />
        <label className="ct-check">
          <input
            type="checkbox"
            checked={form.coalesce}
            onChange={(event) => set({ coalesce: event.target.checked })}
          />
          <span>Combine runs that would start together</span>
        </label>
        <label className="ct-check">
          <input
            type="checkbox"
            checked={form.keep_hour}
            onChange={(event) => set({ keep_hour: event.target.checked })}
          />
          <span>Postponed runs keep their time of day</span>
        </label>
        {wrong("keep_hour") && <p className="ct-error">{wrong("keep_hour")}</p>}
        {trouble && trouble.fields.length === 0 && <Notice kind="error">{trouble.message}</Notice>}
        <div className="ct-buttons">
          <button type="submit" className="ct-primary" aria-disabled={busy}>
            Preview
          </button>
          <button type="button" onClick={reset}>
            Reset
          </button>
        </div>
      </form>
      <div aria-live="polite" aria-busy={busy}>
        {result ? (
          <Comparison result={result} />
        ) : (
          <p className="ct-muted">
            Change something and see which runs would move. Nothing here changes the DAG; the Python to do that is shown
            with the plan.
          </p>
        )}
      </div>
    </div>
  );
}

function Comparison({ result }: { result: Result }) {
  const zone = useZone();
  const rows = compare(result.current, result.plan);
  const moved = rows.filter((row) => row.moves).length;
  return (
    <>
      <p className="ct-lead">
        {moved === 0 ? "No run would move" : moved === 1 ? "1 run would move" : `${moved} runs would move`}, of the next{" "}
        {rows.length}. <span className="ct-muted">Times are in {zone}.</span>
      </p>
      {result.no_run_reason && <Notice kind="warning">{result.no_run_reason}</Notice>}
      <div className="ct-table-box">
        <table className="ct-table">
          <thead>
            <tr>
              <th scope="col">Due</th>
              <th scope="col">Now starts</th>
              <th scope="col">Would start</th>
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <tr key={row.due} className={row.moves ? "ct-moves" : undefined}>
                <td data-label="Due">
                  <Moment at={row.due} />
                </td>
                <td data-label="Now starts">{row.before?.start ? <Moment at={row.before.start} /> : "does not run"}</td>
                <td data-label="Would start">
                  {row.after?.start ? <Moment at={row.after.start} /> : "does not run"}{" "}
                  {row.moves && row.after && <StateBadge run={row.after} />}
                  {row.moves && row.after && <span className="ct-why">{reasonTexts(row.after, zone).join(" · ")}</span>}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {result.python && (
        <>
          <h3>The schedule in Python</h3>
          <Copy text={result.python} label="Copy" code />
        </>
      )}
    </>
  );
}

interface TimeSetFieldProps {
  label: string;
  hint: string;
  rules: string;
  calendars: string[];
  kept: string[];
  error: string | undefined;
  onChange: (rules: string, kept: string[]) => void;
}

function TimeSetField({ label, hint, rules, calendars, kept, error, onChange }: TimeSetFieldProps) {
  return (
    <div className="ct-field">
      <label>
        <span>{label}</span>
        <textarea
          rows={3}
          value={rules}
          aria-invalid={Boolean(error)}
          onChange={(e) => onChange(e.target.value, kept)}
        />
      </label>
      {error ? (
        <p className="ct-error" role="alert">
          {error}
        </p>
      ) : (
        <p className="ct-muted ct-hint">{hint}</p>
      )}
      {calendars.map((calendar) => (
        <label className="ct-check" key={calendar}>
          <input
            type="checkbox"
            checked={kept.includes(calendar)}
            onChange={(event) =>
              onChange(rules, event.target.checked ? [...kept, calendar] : kept.filter((each) => each !== calendar))
            }
          />
          <bdi>{calendar}</bdi>
        </label>
      ))}
    </div>
  );
}

interface NumberFieldProps {
  label: string;
  value: string;
  placeholder?: string;
  error: string | undefined;
  onChange: (value: string) => void;
}

function NumberField({ label, value, placeholder, error, onChange }: NumberFieldProps) {
  return (
    <label>
      <span>{label}</span>
      <input
        type="number"
        min="0"
        step="any"
        value={value}
        placeholder={placeholder}
        aria-invalid={Boolean(error)}
        onChange={(event) => onChange(event.target.value)}
      />
      {error && (
        <span className="ct-error" role="alert">
          {error}
        </span>
      )}
    </label>
  );
}

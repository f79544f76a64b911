import { type FormEvent, useState } from "react";
import { useZone } from "../airflow";
import { type ApiError, call, type ExemptionOf, troubleOf } from "../api";
import { instantAt, localOf } from "../times";
import { useApi } from "../useApi";
import { Drawer, Moment, Notice } from "./basics";

const DAY = 86_400_000;
const MOST_DAYS = 31;

/** Which rules of the deployment hold for a DAG; until when it is exempt, and how to make it so. */
export function Exemption({ dagId }: { dagId: string }) {
  const path = `dags/${encodeURIComponent(dagId)}/exemption`;
  const answer = useApi<ExemptionOf>(path);
  const [opened, setOpened] = useState(false);
  const [asked, setAsked] = useState(false);
  const [trouble, setTrouble] = useState<ApiError | null>(null);
  const data = answer.data;
  if (!data || (data.rules.length === 0 && data.exemption === null)) return null;

  const end = async () => {
    setAsked(false);
    try {
      await call(path, { method: "DELETE" });
      setTrouble(null);
    } catch (error) {
      setTrouble(troubleOf(error));
    }
    answer.reload();
  };
  const exempt = data.exemption;
  return (
    <div className="ct-exemption">
      <p>
        {exempt ? (
          <>
            <span className="ct-badge ct-moved">exempt</span> from the rules of the deployment until{" "}
            <Moment at={exempt.until} />
            {exempt.who && (
              <>
                {" "}
                by <bdi>{exempt.who}</bdi>
              </>
            )}
            {exempt.reason && (
              <>
                : <bdi>{exempt.reason}</bdi>
              </>
            )}
          </>
        ) : (
          <span className="ct-muted">
            Rules of the deployment hold for this DAG: <bdi>{data.rules.join(", ")}</bdi>
          </span>
        )}
      </p>
      {data.may_exempt && (
        <div className="ct-buttons">
          <button type="button" onClick={() => setOpened(true)}>
            {exempt ? "Change" : "Exempt"}
          </button>
          {exempt && (
            <button type="button" onClick={() => (asked ? end() : setAsked(true))} onBlur={() => setAsked(false)}>
              {asked ? "End now: the rules hold again" : "End now"}
            </button>
          )}
        </div>
      )}
      {trouble && <Notice kind="error">{trouble.message}</Notice>}
      {opened && (
        <ExemptForm
          path={path}
          done={() => {
            setOpened(false);
            answer.reload();
          }}
          onClose={() => setOpened(false)}
        />
      )}
    </div>
  );
}

function ExemptForm({ path, done, onClose }: { path: string; done: () => void; onClose: () => void }) {
  const zone = useZone();
  const [until, setUntil] = useState(() => localOf(new Date(Date.now() + DAY), zone));
  const [reason, setReason] = useState("");
  const [busy, setBusy] = useState(false);
  const [trouble, setTrouble] = useState<ApiError | null>(null);
  const wrong = (name: string) => trouble?.fields.find((each) => each.field === name)?.message;

  const grant = async (event: FormEvent) => {
    event.preventDefault();
    if (busy) return;
    setBusy(true);
    setTrouble(null);
    try {
      const body = { until: instantAt(until, zone).toISOString(), reason };
      await call(path, { method: "POST", body: JSON.stringify(body) });
      done();
    } catch (error) {
      setTrouble(troubleOf(error));
      setBusy(false);
    }
  };
  return (
    <Drawer title="Exempt this DAG" onClose={onClose}>
      <p className="ct-muted">
        The DAG goes by its own windows and blackouts alone until then: what waits starts at once. It ends by itself.
        Who did it, when and why is recorded.
      </p>
      <form className="ct-form" onSubmit={grant}>
        <label>
          <span>
            Until <span className="ct-muted">({zone})</span>
          </span>
          <input
            type="datetime-local"
            required
            value={until}
            min={localOf(new Date(), zone)}
            max={localOf(new Date(Date.now() + MOST_DAYS * DAY), zone)}
            aria-invalid={wrong("until") !== undefined}
            onChange={(event) => setUntil(event.target.value)}
          />
          {wrong("until") && <span className="ct-error">{wrong("until")}</span>}
        </label>
        <label>
          <span>Reason</span>
          <input
            required
            maxLength={300}
            value={reason}
            aria-invalid={wrong("reason") !== undefined}
            onChange={(event) => setReason(event.target.value)}
          />
          {wrong("reason") && <span className="ct-error">{wrong("reason")}</span>}
        </label>
        <button type="submit" className="ct-primary" aria-disabled={busy}>
          Exempt
        </button>
      </form>
      {trouble && trouble.fields.length === 0 && <Notice kind="error">{trouble.message}</Notice>}
    </Drawer>
  );
}

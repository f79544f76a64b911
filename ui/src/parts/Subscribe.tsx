import { type FormEvent, useRef, useState } from "react";
import { type ApiError, call, type Subscription, troubleOf } from "../api";
import { useApi } from "../useApi";
import { Drawer, Moment, Notice, Trouble } from "./basics";
import { Copy } from "./Copy";

interface SubscribeProps {
  dagId?: string | undefined;
  tags: string[];
  onClose: () => void;
}

type Scope = Subscription["scope"];

const HOLDS = {
  skipped: "Also due times that are skipped, as cancelled events",
  frequent: "Also DAGs that run more than once a day",
  moved: "Only what calendars and windows affect",
  paused: "Also paused DAGs, whose runs do not start",
};

const scopeText = (scope: Scope): string =>
  scope.kind === "all"
    ? "All DAGs that I may read"
    : scope.kind === "tag"
      ? `Tag ${scope.value}`
      : `DAG ${scope.value}`;

/** Create a link for calendar programs, and see and revoke those that one has. */
export function Subscribe({ dagId, tags, onClose }: SubscribeProps) {
  const mine = useApi<{ subscriptions: Subscription[] }>("subscriptions");
  const [made, setMade] = useState<(Subscription & { url: string }) | null>(null);
  const [trouble, setTrouble] = useState<ApiError | null>(null);
  const [kind, setKind] = useState<Scope["kind"]>(dagId ? "dag" : "all");
  const [tag, setTag] = useState(tags[0] ?? "");
  const [days, setDays] = useState(90);
  const [busy, setBusy] = useState(false);
  const [holds, setHolds] = useState({ skipped: true, frequent: true, moved: false, paused: false });
  const [asked, setAsked] = useState("");
  const list = useRef<HTMLHeadingElement>(null);

  const attempt = async (work: () => Promise<void>) => {
    setBusy(true);
    setTrouble(null);
    try {
      await work();
    } catch (error) {
      setTrouble(troubleOf(error));
    }
    setBusy(false);
    mine.reload();
  };
  const create = (event: FormEvent) => {
    event.preventDefault();
    if (busy) return;
    const value = kind === "tag" ? tag : kind === "dag" ? dagId : undefined;
    attempt(async () =>
      setMade(await call("subscriptions", { method: "POST", body: JSON.stringify({ kind, value, days, ...holds }) })),
    );
  };
  const revoke = (one: Subscription) =>
    attempt(async () => {
      await call(`subscriptions/${encodeURIComponent(one.id)}`, { method: "DELETE" });
      if (made?.id === one.id) setMade(null);
      list.current?.focus();
    });

  return (
    <Drawer title="Subscribe" onClose={onClose}>
      <p className="ct-muted">
        A link for Google Calendar, Outlook, Apple Calendar or any other program that reads ICS. Whoever has it sees
        these runs, as far as you may read them, until it expires or you revoke it.
      </p>
      <form className="ct-form" onSubmit={create}>
        <label>
          <span>Runs of</span>
          <select value={kind} onChange={(event) => setKind(event.target.value as Scope["kind"])}>
            <option value="all">all DAGs that I may read</option>
            {dagId && <option value="dag">this DAG</option>}
            <option value="tag">DAGs with a tag</option>
          </select>
        </label>
        {kind === "tag" && (
          <label>
            <span>Tag</span>
            <input required value={tag} list="ct-tags" onChange={(event) => setTag(event.target.value)} />
            <datalist id="ct-tags">
              {tags.map((each) => (
                <option key={each} value={each} />
              ))}
            </datalist>
          </label>
        )}
        <label>
          <span>Expires after</span>
          <select value={days} onChange={(event) => setDays(Number(event.target.value))}>
            <option value={30}>30 days</option>
            <option value={90}>90 days</option>
            <option value={365}>a year</option>
          </select>
        </label>
        <fieldset>
          <legend className="ct-sr">What it holds</legend>
          {Object.entries(HOLDS).map(([name, text]) => (
            <label className="ct-check" key={name}>
              <input
                type="checkbox"
                checked={holds[name as keyof typeof HOLDS]}
                onChange={(event) => setHolds({ ...holds, [name]: event.target.checked })}
              />
              <span>{text}</span>
            </label>
          ))}
        </fieldset>
        <button type="submit" className="ct-primary" aria-disabled={busy}>
          Create link
        </button>
      </form>
      {trouble && <Notice kind="error">{trouble.message}</Notice>}
      {made && (
        <div className="ct-made" role="status">
          <p>
            <strong>Copy it now: it is shown only once.</strong>
          </p>
          <Copy text={made.url} label="Copy link" />
          <p className="ct-muted">
            Google: Other calendars, From URL. Outlook: Add calendar, Subscribe from web. Apple: File, New Calendar
            Subscription.
          </p>
        </div>
      )}
      <h3 ref={list} tabIndex={-1}>
        Your subscriptions
      </h3>
      {mine.error && <Trouble error={mine.error} readAt={mine.readAt} retry={mine.reload} />}
      {mine.data === null && mine.loading && <p className="ct-loading">Reading your subscriptions …</p>}
      {mine.data?.subscriptions.length === 0 && <p className="ct-muted">None.</p>}
      <ul className="ct-cards">
        {mine.data?.subscriptions.map((one) => (
          <li key={one.id} className="ct-card ct-subscription">
            <div>
              <strong>
                <bdi>{scopeText(one.scope)}</bdi>
              </strong>
              <p className="ct-muted">
                expires <Moment at={one.expires_at} />;{" "}
                {one.last_fetched_at ? (
                  <>
                    last fetched <Moment at={one.last_fetched_at} />
                  </>
                ) : (
                  "never fetched"
                )}
              </p>
            </div>
            <button
              type="button"
              aria-disabled={busy}
              aria-label={`${asked === one.id ? "Revoke now: " : "Revoke "}${scopeText(one.scope)}`}
              onClick={() => (busy ? undefined : asked === one.id ? revoke(one) : setAsked(one.id))}
              onBlur={() => setAsked("")}
            >
              {asked === one.id ? "Revoke now: its calendars stop" : "Revoke"}
            </button>
          </li>
        ))}
      </ul>
    </Drawer>
  );
}

import { type FormEvent, useState } from "react";
import { ApiError, call, type Subscription } from "../api";
import { useApi } from "../useApi";
import { Drawer, Moment, Notice, Trouble } from "./basics";
import { Copy } from "./Copy";

interface SubscribeProps {
  dagId?: string | undefined;
  tags: string[];
  onClose: () => void;
}

type Scope = Subscription["scope"];

const scopeText = (scope: Scope): string =>
  scope.kind === "all"
    ? "All DAGs that I may read"
    : scope.kind === "tag"
      ? `Tag ${scope.value}`
      : `DAG ${scope.value}`;

/** Make an address for calendar programs, and see and end those that one has made. */
export function Subscribe({ dagId, tags, onClose }: SubscribeProps) {
  const mine = useApi<{ subscriptions: Subscription[] }>("subscriptions");
  const [made, setMade] = useState<(Subscription & { url: string }) | null>(null);
  const [trouble, setTrouble] = useState<ApiError | null>(null);
  const [kind, setKind] = useState<Scope["kind"]>(dagId ? "dag" : "all");
  const [tag, setTag] = useState(tags[0] ?? "");
  const [days, setDays] = useState(90);
  const [busy, setBusy] = useState(false);

  const attempt = async (work: () => Promise<void>) => {
    setBusy(true);
    setTrouble(null);
    try {
      await work();
    } catch (error) {
      setTrouble(error instanceof ApiError ? error : new ApiError(0, "Something went wrong."));
    }
    setBusy(false);
    mine.reload();
  };
  const create = (event: FormEvent) => {
    event.preventDefault();
    const value = kind === "tag" ? tag : kind === "dag" ? dagId : undefined;
    attempt(async () =>
      setMade(await call("subscriptions", { method: "POST", body: JSON.stringify({ kind, value, days }) })),
    );
  };
  const revoke = (one: Subscription) =>
    attempt(async () => {
      await call(`subscriptions/${encodeURIComponent(one.id)}`, { method: "DELETE" });
      if (made?.id === one.id) setMade(null);
    });

  return (
    <Drawer title="Subscribe" onClose={onClose}>
      <p className="ct-muted">
        An address for Google Calendar, Outlook, Apple Calendar or any other program that reads ICS. Whoever has it sees
        these runs, as far as you may read them, until it expires or you end it.
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
        <button type="submit" className="ct-primary" disabled={busy}>
          Make an address
        </button>
      </form>
      {trouble && <Notice kind="error">{trouble.message}</Notice>}
      {made && (
        <div className="ct-made" role="status">
          <p>
            <strong>Copy it now: it is shown only once.</strong>
          </p>
          <Copy text={made.url} label="Copy the address" />
          <p className="ct-muted">
            Google: Other calendars, From URL. Outlook: Add calendar, Subscribe from web. Apple: File, New Calendar
            Subscription.
          </p>
        </div>
      )}
      <h3>Your subscriptions</h3>
      {mine.error && <Trouble error={mine.error} readAt={mine.readAt} retry={mine.reload} />}
      {mine.data === null && mine.loading && <p className="ct-loading">Reading your subscriptions …</p>}
      {mine.data?.subscriptions.length === 0 && <p className="ct-muted">You have none.</p>}
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
                    last read <Moment at={one.last_fetched_at} />
                  </>
                ) : (
                  "never read"
                )}
              </p>
            </div>
            <button
              type="button"
              disabled={busy}
              aria-label={`End ${scopeText(one.scope)}`}
              onClick={() => revoke(one)}
            >
              End
            </button>
          </li>
        ))}
      </ul>
    </Drawer>
  );
}

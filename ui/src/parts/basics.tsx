import { type ReactNode, useEffect, useId, useRef } from "react";
import { Link } from "react-router-dom";
import { alone, useZone } from "../airflow";
import type { ApiError, Run } from "../api";
import { stateText, toneOf } from "../events";
import { momentText } from "../times";

/** An instant in the chosen zone; the exact UTC one on hover. */
export function Moment({ at }: { at: string }) {
  const zone = useZone();
  return (
    <time dateTime={at} title={`${at} (UTC)`}>
      {momentText(at, zone)}
    </time>
  );
}

export function StateBadge({ run }: { run: Run }) {
  return <span className={`ct-badge ${toneOf(run)}`}>{stateText(run)}</span>;
}

/** A link into Airflow: within its app where that is around us, out of ours where not. */
export function AirflowLink({ to, children }: { to: string; children: ReactNode }) {
  return (
    <Link to={to} reloadDocument={alone()}>
      {children}
    </Link>
  );
}

/** A DAG's name as people wrote it, kept from turning the text around it. */
export function DagLink({ id, name, short = false }: { id: string; name: string; short?: boolean }) {
  return (
    <AirflowLink to={`/dags/${encodeURIComponent(id)}`}>
      {short ? <MidName name={name} /> : <bdi>{name}</bdi>}
    </AirflowLink>
  );
}

interface NoticeProps {
  kind: "info" | "warning" | "error";
  children: ReactNode;
  action?: { text: string; run: () => void };
}

export function Notice({ kind, children, action }: NoticeProps) {
  return (
    <div className={`ct-notice ct-notice-${kind}`} role={kind === "error" ? "alert" : "status"}>
      <div>{children}</div>
      {action && (
        <button type="button" onClick={action.run}>
          {action.text}
        </button>
      )}
    </div>
  );
}

/** What went wrong: without data an error, with data of an earlier time a warning that says how old it is. */
export function Trouble({ error, readAt, retry }: { error: ApiError; readAt: string | null; retry: () => void }) {
  return (
    <Notice kind={readAt ? "warning" : "error"} action={{ text: "Try again", run: retry }}>
      {error.message}{" "}
      {readAt && (
        <>
          What you see was read at <Moment at={readAt} />.
        </>
      )}
    </Notice>
  );
}

/** A long name with its middle left out where there is no room: its beginning and its end tell names apart. */
export function MidName({ name }: { name: string }) {
  const tail = name.length > 12 ? Math.min(9, Math.floor(name.length / 3)) : 0;
  return (
    <bdi className="ct-mid" title={name}>
      <span className="ct-mid-head">{name.slice(0, name.length - tail)}</span>
      {tail > 0 && <span className="ct-mid-tail">{name.slice(-tail)}</span>}
    </bdi>
  );
}

interface PanelProps {
  title: ReactNode;
  onClose: () => void;
  children: ReactNode;
}

function PanelBody({ title, onClose, children, id }: PanelProps & { id: string }) {
  return (
    <div className="ct-drawer-body">
      <header>
        <h2 id={id} tabIndex={-1}>
          {title}
        </h2>
        <button type="button" className="ct-plain" onClick={onClose} aria-label="Close">
          ✕
        </button>
      </header>
      {children}
    </div>
  );
}

/** A panel over the page's right side. The browser keeps the focus in it; it goes back to where it came from. */
export function Drawer(props: PanelProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const heading = useId();
  const { onClose } = props;
  useEffect(() => {
    const before = document.activeElement;
    dialog.current?.showModal();
    // The dialog is out of the document by then, and so does not give the focus back by itself.
    return () => void requestAnimationFrame(() => before instanceof HTMLElement && before.focus());
  }, []);
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: Escape closes; a click beside the panel is for the mouse
    <dialog
      ref={dialog}
      className="ct-root ct-drawer"
      aria-labelledby={heading}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onClick={(event) => event.target === dialog.current && onClose()}
    >
      <PanelBody {...props} id={heading} />
    </dialog>
  );
}

/** A panel beside what it is about, which stays in sight and in reach. */
export function Side(props: PanelProps) {
  const heading = useId();
  const { onClose } = props;
  useEffect(() => document.getElementById(heading)?.focus(), [heading]);
  return (
    <dialog
      open
      className="ct-side"
      aria-labelledby={heading}
      onKeyDown={(event) => {
        if (event.key !== "Escape") return;
        event.stopPropagation();
        onClose();
      }}
    >
      <PanelBody {...props} id={heading} />
    </dialog>
  );
}

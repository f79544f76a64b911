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
export function DagLink({ id, name }: { id: string; name: string }) {
  return (
    <AirflowLink to={`/dags/${encodeURIComponent(id)}`}>
      <bdi>{name}</bdi>
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

interface DrawerProps {
  title: ReactNode;
  onClose: () => void;
  children: ReactNode;
}

/** A panel over the page's right side; the browser keeps the focus in it and closes it on Escape. */
export function Drawer({ title, onClose, children }: DrawerProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const heading = useId();
  useEffect(() => {
    const shown = dialog.current;
    shown?.showModal();
    return () => shown?.close();
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
      <div className="ct-drawer-body">
        <header>
          <h2 id={heading}>{title}</h2>
          <button type="button" className="ct-plain" onClick={onClose} aria-label="Close">
            ✕
          </button>
        </header>
        {children}
      </div>
    </dialog>
  );
}

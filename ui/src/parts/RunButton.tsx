import type { CSSProperties, ReactNode } from "react";
import type { Run } from "../api";
import { stateText, toneOf } from "../events";
import { endsTooLate, sentence } from "../reasons";

interface RunButtonProps {
  run: Run;
  zone: string;
  onOpen: (run: Run) => void;
  children: ReactNode;
  /** How many runs it stands for, in words of their own. */
  also?: number;
  className?: string;
  style?: CSSProperties;
}

/** A run in any view: opens its details; screen readers hear its whole sentence. */
export function RunButton({ run, zone, onOpen, children, also = 0, className = "", style }: RunButtonProps) {
  const late = endsTooLate(run);
  return (
    <button
      type="button"
      tabIndex={-1}
      data-stop
      data-run={run.id}
      data-also={also || undefined}
      className={`ct-run ${toneOf(run)} ${className}`}
      style={style}
      onClick={() => onOpen(run)}
    >
      {children}
      {late && (
        <span className="ct-warn" aria-hidden="true">
          ⚠
        </span>
      )}
      <span className="ct-sr">
        {" "}
        {stateText(run)}. {sentence(run, zone)}
        {late && " Expected to end after time has closed."}
        {also > 0 && ` And ${also} more at the same time.`}
      </span>
    </button>
  );
}

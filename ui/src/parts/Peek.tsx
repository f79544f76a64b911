import { type ReactNode, useEffect, useId, useState } from "react";
import type { Run } from "../api";
import { isMoved } from "../events";
import { Moment, StateBadge } from "./basics";

interface PeekProps {
  runs: Run[];
  children: ReactNode;
}

interface Shown {
  run: Run;
  by: HTMLElement;
  box: DOMRect;
}

/** Shows why a run starts when it does, one hover or focus away, for everything in it marked with `data-run`. */
export function Peek({ runs, children }: PeekProps) {
  const [shown, setShown] = useState<Shown | null>(null);
  const id = useId();

  const show = (target: EventTarget) => {
    const by = (target as HTMLElement).closest<HTMLElement>(".ct-run, [data-run]");
    const marked = by?.matches("[data-run]") ? by : by?.querySelector<HTMLElement>("[data-run]");
    const run = runs.find((each) => each.id === marked?.dataset.run);
    if (!by || !run) return;
    const whole = by.closest<HTMLElement>(".ct-run") ?? by;
    setShown((was) => (was?.by === whole ? was : { run, by: whole, box: whole.getBoundingClientRect() }));
  };
  const leave = (to: EventTarget | null) => {
    const still = to instanceof Node && (shown?.by.contains(to) || (to instanceof Element && to.closest(".ct-peek")));
    if (!still) setShown(null);
  };

  useEffect(() => {
    if (!shown) return;
    const onKey = (event: KeyboardEvent) => event.key === "Escape" && setShown(null);
    // A focus scrolls what has it into sight: what is shown moves along.
    const follow = () => setShown((was) => was && { ...was, box: was.by.getBoundingClientRect() });
    document.addEventListener("keydown", onKey);
    document.addEventListener("scroll", follow, true);
    return () => {
      document.removeEventListener("keydown", onKey);
      document.removeEventListener("scroll", follow, true);
    };
  }, [shown]);

  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: only listens to what happens on the runs within
    <div
      onMouseOver={(event) => show(event.target)}
      onMouseOut={(event) => leave(event.relatedTarget)}
      onFocus={(event) => show(event.target)}
      onBlur={(event) => leave(event.relatedTarget)}
    >
      {children}
      {shown && (
        <div className="ct-peek" role="tooltip" id={id} style={placed(shown.box)}>
          <p className="ct-peek-head">
            <bdi>{shown.run.dag_display_name}</bdi> <StateBadge run={shown.run} />
          </p>
          <p>{shown.run.explanation}</p>
          {isMoved(shown.run) && (
            <p className="ct-muted">
              due <Moment at={shown.run.due} />
            </p>
          )}
        </div>
      )}
    </div>
  );
}

const WIDTH = 320;
const HEIGHT = 150;

/** Below what it is about, or above where there is no room; always within the window. */
function placed(box: DOMRect) {
  const left = Math.max(8, Math.min(box.left, window.innerWidth - WIDTH - 8));
  return box.bottom + HEIGHT < window.innerHeight
    ? { left, top: box.bottom + 4 }
    : { left, bottom: window.innerHeight - box.top + 4 };
}

import { type ReactNode, useEffect, useId, useState } from "react";
import { useZone } from "../airflow";
import type { Run } from "../api";
import { afterTexts, endsTooLate, sentence, whenText } from "../reasons";
import { StateBadge } from "./basics";

interface PeekProps {
  runs: Run[];
  children: ReactNode;
}

interface Shown {
  run: Run;
  /** How many others start with it. */
  also: number;
  by: HTMLElement;
  box: DOMRect;
}

/** Shows why a run starts when it does, one hover or focus away, for everything in it marked with `data-run`. */
export function Peek({ runs, children }: PeekProps) {
  const [shown, setShown] = useState<Shown | null>(null);
  const id = useId();
  const zone = useZone();

  const show = (target: EventTarget) => {
    const by = (target as HTMLElement).closest<HTMLElement>("[data-run], [data-run-due]");
    const run = by && runs.find((each) => each.id === (by.dataset.run ?? by.dataset.runDue));
    if (!run) return;
    const also = Number(by.dataset.also ?? 0);
    setShown((was) => (was?.by === by ? was : { run, also, by, box: by.getBoundingClientRect() }));
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
          <p>{sentence(shown.run, zone)}</p>
          {shown.also > 0 && <p>{shown.also} more of this DAG at the same time.</p>}
          <After run={shown.run} zone={zone} />
        </div>
      )}
    </div>
  );
}

function After({ run, zone }: { run: Run; zone: string }) {
  if (run.state !== "planned" && run.state !== "running") return null;
  const said = [whenText(run, zone), ...afterTexts(run, zone)];
  return said.length < 2 && !run.end ? null : (
    <p className={endsTooLate(run) ? "ct-warn" : "ct-muted"}>{said.join(" · ")}</p>
  );
}

const WIDTH = 320;
const HEIGHT = 170;

/** Below what it is about, or above where there is no room; always within the window. */
function placed(box: DOMRect) {
  const left = Math.max(8, Math.min(box.left, window.innerWidth - WIDTH - 8));
  return box.bottom + HEIGHT < window.innerHeight
    ? { left, top: box.bottom + 4 }
    : { left, bottom: window.innerHeight - box.top + 4 };
}

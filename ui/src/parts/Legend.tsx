import type { View } from "../place";

const TONES = {
  planned: "planned",
  moved: "planned, moved",
  queued: "queued",
  running: "running",
  success: "success",
  failed: "failed",
  skipped: "skipped or combined",
} as const;

/** What the colours mean. */
export function Legend({ view, spans, paused }: { view: View; spans: boolean; paused: boolean }) {
  return (
    <ul className="ct-legend" aria-label="Legend">
      {Object.entries(TONES).map(([tone, text]) => (
        <Key key={tone} tone={tone} text={text} />
      ))}
      {paused && <Key tone="off" text="DAG paused: does not start" />}
      {view === "week" && <Key tone="ghost" text="due, but moved" />}
      {spans && view !== "month" && <Key tone="window" text="window" />}
      {spans && <Key tone="blackout" text="blackout" />}
      {view === "timeline" && <li>fading: its length is not known</li>}
    </ul>
  );
}

const Key = ({ tone, text }: { tone: string; text: string }) => (
  <li>
    <span className={`ct-key ct-${tone}`} /> {text}
  </li>
);

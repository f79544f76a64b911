import type { View } from "../place";

const TONES = ["planned", "moved", "queued", "running", "success", "failed", "skipped"];

/** What the colours mean. */
export function Legend({ view }: { view: View }) {
  return (
    <ul className="ct-legend" aria-label="Legend">
      {TONES.map((tone) => (
        <li key={tone}>
          <span className={`ct-key ct-${tone}`} /> {tone === "moved" ? "planned, moved" : tone}
        </li>
      ))}
      {view !== "agenda" && (
        <>
          <li>
            <span className="ct-key ct-ghost" /> due, but moved
          </li>
          {view !== "month" && (
            <li>
              <span className="ct-key ct-window" /> window
            </li>
          )}
          <li>
            <span className="ct-key ct-blackout" /> blackout
          </li>
        </>
      )}
    </ul>
  );
}

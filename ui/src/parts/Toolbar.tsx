import { useZone } from "../airflow";
import { VIEWS, type View } from "../place";
import type { Range } from "../range";
import { dayOf } from "../times";

interface ToolbarProps {
  view: View;
  views: View[];
  range: Range;
  onView: (view: View) => void;
  onDay: (day: string | null) => void;
}

/** Where in time, and in which shape. */
export function Toolbar({ view, views, range, onView, onDay }: ToolbarProps) {
  const zone = useZone();
  const today = dayOf(new Date(), zone);
  const here = range.first <= today && today < range.end;
  return (
    <div className="ct-toolbar">
      <div className="ct-group">
        <button type="button" onClick={() => onDay(range.previous)} aria-label="Earlier">
          ‹
        </button>
        <button type="button" onClick={() => onDay(null)} aria-current={here ? "date" : undefined}>
          Today
        </button>
        <button type="button" onClick={() => onDay(range.next)} aria-label="Later">
          ›
        </button>
      </div>
      <h2 aria-live="polite">{range.title}</h2>
      <span className="ct-muted ct-zone" title="Airflow's time zone; change it in Airflow's navigation">
        {zone}
      </span>
      <fieldset className="ct-group ct-views">
        <legend className="ct-sr">View</legend>
        {views.map((each) => (
          <button type="button" key={each} aria-pressed={each === view} onClick={() => onView(each)}>
            {VIEWS[each]}
          </button>
        ))}
      </fieldset>
    </div>
  );
}

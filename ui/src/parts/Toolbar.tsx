import { useZone } from "../airflow";
import { VIEWS, type View } from "../place";
import { isIn, type Range, ZOOMS } from "../range";

interface ToolbarProps {
  view: View;
  range: Range;
  zoom: number;
  onView: (view: View) => void;
  onDate: (date: string | null) => void;
  onZoom: (hours: number) => void;
  onHelp: () => void;
  /** The views that there are here. */
  views: View[];
}

/** Where in time, and in which shape. */
export function Toolbar({ view, range, zoom, onView, onDate, onZoom, onHelp, views }: ToolbarProps) {
  const zone = useZone();
  return (
    <div className="ct-toolbar">
      {view === "advice" ? (
        <h2>Advice</h2>
      ) : (
        <>
          <div className="ct-group">
            <button type="button" onClick={() => onDate(range.previous)} aria-label="Earlier">
              ‹
            </button>
            <button
              type="button"
              onClick={() => onDate(null)}
              aria-current={isIn(range, new Date()) ? "date" : undefined}
            >
              Now
            </button>
            <button type="button" onClick={() => onDate(range.next)} aria-label="Later">
              ›
            </button>
          </div>
          <h2 aria-live="polite">{range.title}</h2>
          <span className="ct-muted ct-zone" title="Airflow's time zone; change it in Airflow's navigation">
            {zone}
          </span>
        </>
      )}
      {view === "timeline" && (
        <fieldset className="ct-group ct-zoom">
          <legend className="ct-sr">Zoom</legend>
          {ZOOMS.map((hours) => (
            <button type="button" key={hours} aria-pressed={hours === zoom} onClick={() => onZoom(hours)}>
              {hours === 24 ? "Day" : `${hours} h`}
            </button>
          ))}
        </fieldset>
      )}
      <fieldset className="ct-group ct-views">
        <legend className="ct-sr">View</legend>
        {views.map((each) => (
          <button type="button" key={each} aria-pressed={each === view} onClick={() => onView(each)}>
            {VIEWS[each]}
          </button>
        ))}
      </fieldset>
      <button type="button" className="ct-plain ct-help" aria-label="Keyboard shortcuts" onClick={onHelp}>
        ?
      </button>
    </div>
  );
}

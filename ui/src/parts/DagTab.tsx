import { useZone } from "../airflow";
import type { Plan } from "../api";
import { usePlace } from "../place";
import { useApi } from "../useApi";
import { Banner } from "./Banner";
import { Notice, Trouble } from "./basics";
import { Copy } from "./Copy";
import { Exemption } from "./Exemption";
import { type Calendars, calendarsOf, Health } from "./Health";
import { OverridesDrawer } from "./Overrides";
import { Overview } from "./Overview";
import { PlanTable } from "./PlanTable";
import { Subscribe } from "./Subscribe";
import { WhatIf } from "./WhatIf";

const PANELS = { plan: "Plan", calendar: "Calendar", "what-if": "What if", health: "Calendar health" } as const;
type Panel = keyof typeof PANELS;

/** What a DAG's tab shows: its next runs, its calendar, what other arguments would do, and how its calendars are. */
export function DagTab({ dagId }: { dagId: string }) {
  const [place, go] = usePlace();
  const zone = useZone();
  const plan = useApi<Plan>(`dags/${encodeURIComponent(dagId)}/plan?limit=10`);
  const health = useApi<Calendars>(calendarsOf(dagId));
  const panel: Panel = place.panel && place.panel in PANELS ? (place.panel as Panel) : "plan";
  const data = plan.data;
  return (
    <>
      <div className="ct-head">
        <fieldset className="ct-group ct-panels">
          <legend className="ct-sr">What to show</legend>
          {(Object.keys(PANELS) as Panel[]).map((each) => (
            <button type="button" key={each} aria-pressed={each === panel} onClick={() => go({ panel: each })}>
              {PANELS[each]}
            </button>
          ))}
        </fieldset>
        <button type="button" onClick={() => go({ panel: "overrides" })}>
          Overrides
        </button>
        <button type="button" onClick={() => go({ panel: "subscribe" })}>
          Subscribe
        </button>
      </div>
      <Banner dagId={dagId} />
      <Exemption dagId={dagId} />
      {plan.error && panel !== "calendar" && <Trouble error={plan.error} readAt={plan.readAt} retry={plan.reload} />}
      {data === null && plan.loading && panel !== "calendar" && <p className="ct-loading">Reading the plan …</p>}
      {panel === "plan" && data && (
        <>
          <p className="ct-lead">
            <bdi>{data.summary}</bdi> <span className="ct-muted">in {data.timezone}</span>
          </p>
          {data.plan.some((run) => run.paused) && (
            <Notice kind="warning">This DAG is paused: what is planned will not start.</Notice>
          )}
          <p className="ct-muted">Times below are in {zone}.</p>
          <PlanTable plan={data} />
          {data.python && (
            <details className="ct-python">
              <summary>The schedule in Python</summary>
              <Copy text={data.python} label="Copy" code />
            </details>
          )}
        </>
      )}
      {panel === "calendar" && <Overview dagId={dagId} />}
      {panel === "what-if" &&
        data &&
        (data.arguments ? (
          <WhatIf key={dagId} plan={data} given={data.arguments} />
        ) : (
          <Notice kind="info">
            This DAG's schedule is not a CalendarTimetable: there are no windows or blackouts to try.
          </Notice>
        ))}
      {panel === "health" && <Health answer={health} dagId={dagId} />}
      {place.panel === "overrides" && <OverridesDrawer dagId={dagId} onClose={() => go({ panel: null })} />}
      {place.panel === "subscribe" && <Subscribe dagId={dagId} tags={[]} onClose={() => go({ panel: null })} />}
    </>
  );
}

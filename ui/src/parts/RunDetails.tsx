import type { Plan, Run } from "../api";
import { durationText } from "../times";
import { useApi } from "../useApi";
import { AirflowLink, DagLink, Drawer, Moment, StateBadge, Trouble } from "./basics";
import { PlanTable } from "./PlanTable";

interface RunDetailsProps {
  run: Run;
  onClose: () => void;
}

/** One run: why it starts when it does, its facts, and what its DAG does next. */
export function RunDetails({ run, onClose }: RunDetailsProps) {
  const plan = useApi<Plan>(`dags/${encodeURIComponent(run.dag_id)}/plan?limit=10`);
  const later = run.start ? (Date.parse(run.start) - Date.parse(run.due)) / 1000 : 0;
  const seconds = run.start && run.end ? (Date.parse(run.end) - Date.parse(run.start)) / 1000 : 0;
  return (
    <Drawer title={<bdi>{run.dag_display_name}</bdi>} onClose={onClose}>
      <p>
        <StateBadge run={run} /> {run.late && <span className="ct-badge ct-failed">late</span>}{" "}
        {run.paused && <span className="ct-badge">DAG paused</span>}
      </p>
      <p className="ct-lead">{run.explanation}</p>
      <p className="ct-links">
        <DagLink id={run.dag_id} name="Open the DAG" />
        {run.run_id && (
          <AirflowLink to={`/dags/${encodeURIComponent(run.dag_id)}/runs/${encodeURIComponent(run.run_id)}`}>
            Open the run
          </AirflowLink>
        )}
      </p>
      <dl className="ct-facts">
        <dt>Due</dt>
        <dd>
          <Moment at={run.due} />
        </dd>
        {run.start && (
          <>
            <dt>Start</dt>
            <dd>
              <Moment at={run.start} />
              {later !== 0 && !run.collapsed && (
                <span className="ct-muted">
                  {" "}
                  {durationText(later)} {later > 0 ? "later than due" : "earlier than due"}
                </span>
              )}
            </dd>
          </>
        )}
        {run.end && !run.collapsed && (
          <>
            <dt>{run.end_estimated ? "End, about" : "End"}</dt>
            <dd>
              <Moment at={run.end} />
              {seconds > 0 && <span className="ct-muted"> {durationText(seconds)}</span>}
            </dd>
          </>
        )}
        {run.collapsed && (
          <>
            <dt>Runs</dt>
            <dd>
              {run.collapsed.count}, every {durationText(run.collapsed.every_seconds)}
            </dd>
          </>
        )}
        <Names what="Reasons" names={run.reasons.map((reason) => reason.text)} />
        <Names what="Calendars" names={run.calendars} />
        <Names what="Owners" names={run.owners} />
        <Names what="Tags" names={run.tags} />
      </dl>
      <h3>The next runs of this DAG</h3>
      {plan.error && <Trouble error={plan.error} readAt={plan.readAt} retry={plan.reload} />}
      {plan.data ? <PlanTable plan={plan.data} /> : plan.loading && <p className="ct-loading">Reading the plan …</p>}
    </Drawer>
  );
}

function Names({ what, names }: { what: string; names: string[] }) {
  if (names.length === 0) return null;
  return (
    <>
      <dt>{what}</dt>
      <dd>
        {names.map((name, n) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: the names stay where they are
          <bdi key={n} className="ct-item">
            {name}
          </bdi>
        ))}
      </dd>
    </>
  );
}

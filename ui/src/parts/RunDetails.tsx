import { useZone } from "../airflow";
import type { Plan, Run } from "../api";
import { endsTooLate, reasonTexts, sentence, spareText } from "../reasons";
import { durationText } from "../times";
import { useApi } from "../useApi";
import { AirflowLink, DagLink, Moment, Side, StateBadge, Trouble } from "./basics";
import { PlanTable } from "./PlanTable";

interface RunDetailsProps {
  run: Run;
  onClose: () => void;
}

/** One run: why it starts when it does, its facts, and what its DAG does next. */
export function RunDetails({ run, onClose }: RunDetailsProps) {
  const zone = useZone();
  const plan = useApi<Plan>(`dags/${encodeURIComponent(run.dag_id)}/plan?limit=10`);
  const later = run.start ? (Date.parse(run.start) - Date.parse(run.due)) / 1000 : 0;
  const seconds = run.start && run.end ? (Date.parse(run.end) - Date.parse(run.start)) / 1000 : 0;
  return (
    <Side title={<bdi>{run.dag_display_name}</bdi>} onClose={onClose}>
      <p>
        <StateBadge run={run} /> {run.late && <span className="ct-badge ct-failed">late</span>}{" "}
        {run.paused && <span className="ct-badge">DAG paused</span>}
      </p>
      <p className="ct-lead">{sentence(run, zone)}</p>
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
            <dt>{run.end_estimated ? "Expected end" : "End"}</dt>
            <dd>
              <Moment at={run.end} />
              {seconds > 0 && <span className="ct-muted"> {durationText(seconds)}</span>}
            </dd>
          </>
        )}
        <After run={run} />
        {run.collapsed && (
          <>
            <dt>{run.start ? "Runs" : "Due times"}</dt>
            <dd>
              {run.collapsed.count}, every {durationText(run.collapsed.every_seconds)}
            </dd>
          </>
        )}
        <Names what="Reasons" names={reasonTexts(run, zone)} />
        <Names what="Calendars" names={run.calendars} />
        <Names what="Owners" names={run.owners} />
        <Names what="Tags" names={run.tags} />
      </dl>
      <p className="ct-muted">Times are in {zone}.</p>
      <h3>The next runs of this DAG</h3>
      {plan.error && <Trouble error={plan.error} readAt={plan.readAt} retry={plan.reload} />}
      {plan.data ? <PlanTable plan={plan.data} /> : plan.loading && <p className="ct-loading">Reading the plan …</p>}
    </Side>
  );
}

/** Whether it ends in time: the window's end, the next blackout, and what is to spare. */
function After({ run }: { run: Run }) {
  if (run.state === "success" || run.state === "failed") return null;
  const who = run.next_blackout;
  return (
    <>
      {run.window_end && (
        <>
          <dt>Window ends</dt>
          <dd>
            <Moment at={run.window_end} />
          </dd>
        </>
      )}
      {who && (
        <>
          <dt>Next blackout</dt>
          <dd>
            <Moment at={who.start} /> <bdi>{who.event ?? who.calendar ?? who.detail}</bdi>
          </dd>
        </>
      )}
      {run.spare_seconds !== null && (
        <>
          <dt>To spare</dt>
          <dd className={endsTooLate(run) ? "ct-warn" : undefined}>
            {endsTooLate(run) && "⚠ "}
            {spareText(run).replace(/ (to )?spare$/, "")}
          </dd>
        </>
      )}
    </>
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

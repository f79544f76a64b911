import { useZone } from "../airflow";
import type { Plan } from "../api";
import { isMoved } from "../events";
import { afterTexts, endsTooLate, reasonTexts } from "../reasons";
import { Moment, Notice, StateBadge } from "./basics";

/** The next runs, one row each, or why there is none. */
export function PlanTable({ plan }: { plan: Plan }) {
  const zone = useZone();
  if (plan.plan.length === 0) {
    return <Notice kind="info">{plan.no_run_reason ?? "No further run is planned."}</Notice>;
  }
  return (
    <>
      <div className="ct-table-box">
        <table className="ct-table">
          <thead>
            <tr>
              <th scope="col">Due</th>
              <th scope="col">Start</th>
              <th scope="col">Why</th>
            </tr>
          </thead>
          <tbody>
            {plan.plan.map((run) => (
              <tr key={run.id}>
                <td data-label="Due">
                  <Moment at={run.due} />
                </td>
                <td data-label="Start">
                  {run.start && isMoved(run) ? <Moment at={run.start} /> : run.start ? "on time" : "–"}
                </td>
                <td data-label="Why">
                  <StateBadge run={run} /> <span className="ct-muted">{reasonTexts(run, zone).join(" · ")}</span>
                  <span className={endsTooLate(run) ? "ct-why ct-warn" : "ct-why"}>
                    {afterTexts(run, zone).join(" · ")}
                  </span>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {plan.no_run_reason && <p className="ct-muted">{plan.no_run_reason}</p>}
    </>
  );
}

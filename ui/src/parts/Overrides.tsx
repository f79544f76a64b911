import { address } from "../airflow";
import { type Override, type Overrides, query } from "../api";
import { howText } from "../freezes";
import { useApi } from "../useApi";
import { AirflowLink, DagLink, Drawer, Moment, Notice, Trouble } from "./basics";

const MOST = 500;

/** Who passed closed time in the last 30 days: runs by hand, runs that ignore calendars, exemptions. */
export function OverridesDrawer({ dagId, onClose }: { dagId?: string | undefined; onClose: () => void }) {
  const answer = useApi<Overrides>(`overrides?${query({ dag_id: dagId, limit: MOST })}`);
  const found = answer.data?.overrides ?? [];
  return (
    <Drawer title="Overrides" onClose={onClose}>
      <p className="ct-muted">
        Who passed closed time in the last 30 days, and why: runs by hand, tasks of commands, runs that ignore
        calendars, and exemptions
        {dagId ? " of this DAG" : ", of the DAGs whose runs you may see"}.
      </p>
      {answer.error && <Trouble error={answer.error} readAt={answer.readAt} retry={answer.reload} />}
      {answer.data === null && answer.loading && <p className="ct-loading">Reading who passed …</p>}
      {answer.data && found.length === 0 && <Notice kind="info">Nobody did.</Notice>}
      {answer.data?.truncated && (
        <Notice kind="warning">The newest {found.length} are shown, and there are more: the API tells them.</Notice>
      )}
      {found.length > 0 && (
        <p>
          <a href={address(`calendar-timetable/api/overrides?${query({ dag_id: dagId, format: "csv", limit: 5000 })}`)}>
            Download as CSV
          </a>
        </p>
      )}
      <ul className="ct-cards">
        {found.map((one) => (
          <Card key={`${one.how} ${one.dag_id} ${one.run_id} ${one.at}`} one={one} named={dagId === undefined} />
        ))}
      </ul>
    </Drawer>
  );
}

function Card({ one, named }: { one: Override; named: boolean }) {
  const run = one.run_id && `/dags/${encodeURIComponent(one.dag_id)}/runs/${encodeURIComponent(one.run_id)}`;
  return (
    <li className="ct-card">
      <p>
        {named && (
          <>
            <DagLink id={one.dag_id} name={one.dag_display_name} />{" "}
          </>
        )}
        <span className={`ct-badge ${one.refused ? "ct-failed" : "ct-moved"}`}>{howText(one)}</span>{" "}
        <span className="ct-muted">
          <Moment at={one.at} />
          {one.until && (
            <>
              {" "}
              until <Moment at={one.until} />
            </>
          )}
          , by {one.who ? <bdi>{one.who}</bdi> : "a user not named"}
        </span>
      </p>
      <p>{one.reason ? <bdi>{one.reason}</bdi> : <span className="ct-muted">no reason given</span>}</p>
      {run && (
        <p>
          <AirflowLink to={run}>
            <bdi>{one.run_id}</bdi>
          </AirflowLink>{" "}
          <span className="ct-muted">{one.state}</span>
        </p>
      )}
    </li>
  );
}

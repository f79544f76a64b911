import { type Freeze, type Freezes, query } from "../api";
import { beginsText, freezeName, heldText, passing } from "../freezes";
import { useApi } from "../useApi";
import { AirflowLink, Moment, Notice } from "./basics";

interface BannerProps {
  dagId?: string | undefined;
  /** On Airflow's home page, where nothing else of ours is. */
  home?: boolean;
}

/** Which freeze of the whole deployment is in force, or comes within a day. Nothing where there is none. */
export function Banner({ dagId, home = false }: BannerProps) {
  const { data } = useApi<Freezes>(`freezes?${query({ dag_id: dagId })}`);
  if (!data || data.freezes.length === 0) return null;
  const notices = data.freezes.map((freeze) => (
    <Notice key={`${freeze.label} ${freeze.start}`} kind={freeze.in_force ? "warning" : "info"}>
      <FreezeText freeze={freeze} freezes={data} single={dagId !== undefined} />
      {home && (
        <>
          {" "}
          <AirflowLink to="/plugin/upcoming-runs">Upcoming runs</AirflowLink>
        </>
      )}
    </Notice>
  ));
  return home ? <div className="ct-root ct-home">{notices}</div> : notices;
}

function FreezeText({ freeze, freezes, single }: { freeze: Freeze; freezes: Freezes; single: boolean }) {
  const until = freeze.end ? (
    <>
      {" "}
      until <Moment at={freeze.end} />
    </>
  ) : (
    ", for how long is not known"
  );
  return (
    <>
      <strong>{freeze.in_force ? "Frozen" : "Freeze ahead"}:</strong> <bdi>{freezeName(freeze)}</bdi>{" "}
      {freeze.in_force ? (
        <>
          since <Moment at={freeze.start} />
        </>
      ) : (
        <>
          {beginsText(freeze, new Date())}, <Moment at={freeze.start} />
        </>
      )}
      {until}. {!single && heldText(freeze)}
      <span className="ct-passes">What passes: {passing(freeze, freezes).join("; ")}.</span>
    </>
  );
}

import { byCode, gainText, KIND_NAMES, knownText } from "../advice";
import type { Advice, AllAdvice, DagChoice, LineToCopy } from "../api";
import { useApi } from "../useApi";
import { DagLink, Notice, Trouble } from "./basics";
import { Copy } from "./Copy";

const FEW = 4; // DAGs that are named before the others are only counted

/** What could be better in DAG files, the greatest gain first; nothing is changed here. */
export function AdviceView() {
  const { data, error, loading, readAt, reload } = useApi<AllAdvice>("advice", { keep: true });
  return (
    <section aria-label="Advice" aria-busy={loading && data === null}>
      {error && <Trouble error={error} readAt={readAt} retry={reload} />}
      {data === null && loading && <p className="ct-loading">Comparing what runs take with what files say …</p>}
      {data && (
        <p className="ct-muted ct-load-known">
          What could be better in DAG files, by past runs and what is planned in the next two weeks. {knownText(data)}{" "}
          Nothing changes by itself.
        </p>
      )}
      {data?.partial && (
        <Notice kind="warning">There was no time to look at all: the command line tells the rest.</Notice>
      )}
      {data?.advice.length === 0 && <Notice kind="info">{noneText(data)}</Notice>}
      <ul className="ct-cards ct-advice-list">
        {data?.advice.map((each) => (
          <Card key={`${each.kind} ${each.text}`} advice={each} />
        ))}
      </ul>
      {data !== null && data.left_out > 0 && (
        <p className="ct-muted ct-advice-left">
          And {data.left_out} more, of less gain: <code>calendar-timetable recommend --dag-id</code> tells those of one
          DAG.
        </p>
      )}
    </section>
  );
}

function noneText(all: AllAdvice): string {
  if (all.known_dags === 0) return "There is no advice yet: it needs five successful runs of a DAG to begin with.";
  return "There is no advice: durations fit what runs take, no pool gets much too full, and no DAG keeps another waiting.";
}

function Card({ advice }: { advice: Advice }) {
  const { gain, certainty, dags } = advice;
  return (
    <li className="ct-card ct-advice">
      <h3>
        <span className="ct-badge">{KIND_NAMES[advice.kind]}</span> {advice.text}
      </h3>
      <dl className="ct-facts">
        <dt>Gain</dt>
        <dd>
          <strong>{gainText(gain)}</strong> {gain.what}
        </dd>
        <dt>Rests on</dt>
        <dd>{certainty.text}</dd>
        <dt>{dags.length === 1 ? "DAG" : "DAGs"}</dt>
        <dd>
          <Dags dags={dags} />
        </dd>
      </dl>
      <details open={advice.evidence.length <= FEW}>
        <summary>Evidence</summary>
        <ul>
          {advice.evidence.map((text) => (
            <li key={text}>{text}</li>
          ))}
        </ul>
      </details>
      {byCode(advice.python).map((lines) => (
        <Code key={lines[0]?.code} lines={lines} all={dags.length} />
      ))}
      {advice.command && (
        <>
          <p className="ct-muted">Then, for whoever runs this Airflow:</p>
          <Copy text={advice.command} label="Copy command" code />
        </>
      )}
    </li>
  );
}

function Dags({ dags }: { dags: DagChoice[] }) {
  const links = (some: DagChoice[]) =>
    some.map((dag, n) => (
      <span key={dag.dag_id}>
        {n > 0 && ", "}
        <DagLink id={dag.dag_id} name={dag.dag_display_name} />
      </span>
    ));
  if (dags.length <= FEW + 1) return links(dags);
  return (
    <>
      {links(dags.slice(0, FEW))}
      <details>
        <summary>and {dags.length - FEW} more</summary>
        {links(dags.slice(FEW))}
      </details>
    </>
  );
}

/** A line of Python, and in whose files it goes. */
function Code({ lines, all }: { lines: LineToCopy[]; all: number }) {
  const ids = lines.map((line) => line.dag_id);
  return (
    <>
      <p className="ct-muted">
        {all > 1 && ids.length === all ? (
          "In the file of each of them:"
        ) : (
          <>
            In the file of <bdi>{ids.slice(0, FEW).join(", ")}</bdi>
            {ids.length > FEW && ` and ${ids.length - FEW} more`}:
          </>
        )}
      </p>
      <Copy text={lines[0]?.code ?? ""} label="Copy Python" code />
    </>
  );
}

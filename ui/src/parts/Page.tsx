import { useEffect, useState } from "react";
import { useLocation } from "react-router-dom";
import { alone, tellInset } from "../airflow";
import { nextPeriod } from "../freezes";
import { usePlace } from "../place";
import { useApi } from "../useApi";
import { Banner } from "./Banner";
import { Notice } from "./basics";
import { DagTab } from "./DagTab";
import { Guard } from "./Guard";
import { type Calendars, calendarsOf, HealthDrawer, isIncomplete, isTroubled } from "./Health";
import { OverridesDrawer } from "./Overrides";
import { Overview } from "./Overview";
import { Subscribe } from "./Subscribe";

let drawnAgain = false;

/**
 * Airflow draws a plugin that it has just loaded in one place of its tree, and from the next navigation on in another,
 * which would close what is open on the page. So the first navigation is made at once, before anything is.
 */
function useDrawnAgain(): boolean {
  const [, go] = usePlace();
  const [ready, setReady] = useState(drawnAgain || alone());
  useEffect(() => {
    if (ready) return;
    drawnAgain = true;
    go({});
    // Where it is drawn elsewhere this one is gone by then, and has asked the API for nothing.
    const timer = setTimeout(() => setReady(true), 500);
    return () => clearTimeout(timer);
  }, [ready, go]);
  return ready;
}

/** The page in Airflow's navigation, or what it shows on a DAG's tab, or on Airflow's home page: what is frozen. */
export function Page({ dagId }: { dagId?: string }) {
  const home = useLocation().pathname === "/" && !alone();
  return home ? <Banner home /> : <Whole {...(dagId ? { dagId } : {})} />;
}

function Whole({ dagId }: { dagId?: string }) {
  const ready = useDrawnAgain();
  // The address changes before what it leads to is drawn; this says what is.
  const { search } = useLocation();
  return (
    <div className="ct-root ct-page" data-search={search} ref={tellInset}>
      <Guard>{!ready ? <p className="ct-loading">Reading …</p> : dagId ? <DagTab dagId={dagId} /> : <AllDags />}</Guard>
    </div>
  );
}

function AllDags() {
  const [place, go] = usePlace();
  const health = useApi<Calendars>(calendarsOf());
  const troubled = health.data?.calendars.filter(isTroubled).length ?? 0;
  const incomplete = health.data?.calendars.filter(isIncomplete).length ?? 0;
  const close = () => go({ panel: null });
  return (
    <>
      <header className="ct-head">
        <h1>Upcoming runs</h1>
        <button type="button" onClick={() => go({ panel: "calendars" })}>
          Calendars
        </button>
        <button type="button" onClick={() => go({ freeze: nextPeriod(new Date()).join("/"), run: null })}>
          Plan a freeze
        </button>
        <button type="button" onClick={() => go({ panel: "overrides" })}>
          Overrides
        </button>
        <button type="button" onClick={() => go({ panel: "subscribe" })}>
          Subscribe
        </button>
      </header>
      <Banner />
      {troubled > 0 && (
        <Notice kind="warning" action={{ text: "See them", run: () => go({ panel: "calendars" }) }}>
          {troubled === 1 ? "A calendar" : `${troubled} calendars`} could not be read lately: runs may be planned by an
          old copy, or held.
        </Notice>
      )}
      {troubled === 0 && incomplete > 0 && (
        <Notice kind="warning" action={{ text: "See them", run: () => go({ panel: "calendars" }) }}>
          {incomplete === 1 ? "A calendar has" : `${incomplete} calendars have`} events that could not be parsed: a run
          may be planned into their time.
        </Notice>
      )}
      <Overview />
      {place.panel === "calendars" && <HealthDrawer answer={health} onClose={close} />}
      {place.panel === "overrides" && <OverridesDrawer onClose={close} />}
      {place.panel === "subscribe" && <Subscribe tags={place.tag} onClose={close} />}
    </>
  );
}

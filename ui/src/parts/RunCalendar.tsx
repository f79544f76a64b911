import FullCalendar, { type EventDisplayInfo } from "@fullcalendar/react";
import dayGrid from "@fullcalendar/react/daygrid";
import list from "@fullcalendar/react/list";
import theme from "@fullcalendar/react/themes/classic";
import timeGrid from "@fullcalendar/react/timegrid";
import { useMemo } from "react";
import type { Run, Span } from "../api";
import { backgroundOf, eventsOf, isMoved, stateText } from "../events";
import type { View } from "../place";
import { clockText, dayOf, dayText, durationText, minuteText } from "../times";
import { StateBadge } from "./basics";

interface RunCalendarProps {
  runs: Run[];
  spans: Span[];
  view: Exclude<View, "timeline">;
  first: string;
  /** How many days a week has on this screen. */
  days: number;
  zone: string;
  onOpen: (run: Run) => void;
  /** A day has more than there is room for. */
  onDay: (day: string) => void;
}

const PLUGINS = [list, dayGrid, timeGrid, theme];
const DAY = { weekday: "short", day: "numeric", month: "short" } as const;
const TIME = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" } as const;

export function RunCalendar({ runs, spans, view, first, days, zone, onOpen, onDay }: RunCalendarProps) {
  const events = useMemo(
    () => [...eventsOf(runs, view, zone), ...backgroundOf(spans, view, zone)],
    [runs, spans, view, zone],
  );
  return (
    <FullCalendar
      // Another place in time is another calendar: nothing of the old one needs to be kept.
      key={`${view} ${first} ${days} ${zone}`}
      plugins={PLUGINS}
      views={{
        agenda: { type: "list", duration: { days } },
        week: { type: "timeGrid", duration: { days } },
        month: { type: "dayGridMonth" },
      }}
      initialView={view}
      initialDate={first}
      timeZone={zone}
      locale="en-gb"
      firstDay={1}
      // In a day's list a row that stands for many is where its first run is.
      {...(view === "agenda" && { eventOrder: "at,title" })}
      eventDisplay={view === "month" ? "block" : "auto"}
      headerToolbar={false}
      height="auto"
      nowIndicator
      events={events}
      eventClick={({ event }) => onOpen(event.extendedProps.run)}
      eventContent={(info) => <RunContent info={info} zone={zone} />}
      backgroundEventContent={({ event }) => (
        <span className="ct-label" title={event.title}>
          {event.title}
        </span>
      )}
      eventTimeFormat={TIME}
      slotHeaderFormat={TIME}
      slotDuration="01:00"
      eventMinHeight={20}
      defaultTimedEventDuration="00:30"
      nextDayThreshold="09:00"
      listItemEventBeforeClass="ct-dot"
      listDayFormat={{ weekday: "long" }}
      dayHeaderFormat={view === "month" ? { weekday: "short" } : DAY}
      allDaySlot={events.some((event) => event.allDay)}
      allDayText="all day"
      dayMaxEvents={4}
      eventMaxStack={days < 7 ? 2 : 3}
      slotEventOverlap={false}
      moreLinkClass="ct-more"
      moreLinkHint={(count) => `${count} more: see the day as a list`}
      moreLinkClick={({ date }) => onDay(dayOf(date, zone))}
      noEventsText=""
    />
  );
}

/** What a run says in the calendar; screen readers hear its whole sentence. */
function RunContent({ info, zone }: { info: EventDisplayInfo; zone: string }) {
  const run = info.event.extendedProps.run as Run;
  const inList = info.view.type === "agenda";
  if (info.event.extendedProps.ghost) {
    return (
      <span className="ct-in" data-run={run.id} aria-hidden="true">
        <span className="ct-time">due </span>
        <bdi>{run.dag_display_name}</bdi>
      </span>
    );
  }
  const at = run.start ?? run.due;
  const [time, stretch] = timesOf(run, zone);
  const name = (
    <>
      <bdi className="ct-name">{run.dag_display_name}</bdi>
      {stretch && <span className="ct-note"> {stretch}</span>}
      {run.late && <span className="ct-note ct-warn"> late</span>}
      {run.paused && <span className="ct-note"> paused</span>}
    </>
  );
  if (inList) {
    const why = whyText(run, zone);
    return (
      <span className="ct-in" data-run={run.id}>
        <span className="ct-time">{time}</span>
        <span className="ct-line">
          {name} <StateBadge run={run} />
        </span>
        {why && <span className="ct-why">{why}</span>}
      </span>
    );
  }
  return (
    <span className="ct-in" data-run={run.id}>
      {!run.collapsed && <span className="ct-time">{minuteText(at, zone)} </span>}
      {name}
      <span className="ct-sr">
        {" "}
        {stateText(run)}. {run.explanation}
      </span>
    </span>
  );
}

/** When a run starts; of many in one row also how often, and until when. */
function timesOf(run: Run, zone: string): [string, string] {
  const at = run.start ?? run.due;
  if (!run.collapsed) return [clockText(at, zone), ""];
  const every = `every ${durationText(run.collapsed.every_seconds)}`;
  const whole = !run.end || dayOf(run.end, zone) !== dayOf(at, zone);
  return whole ? ["all day", every] : [clockText(at, zone), `${every} until ${minuteText(run.end as string, zone)}`];
}

/** "due Sat 02:00 - held by team_calendar until 05:00". */
function whyText(run: Run, zone: string): string {
  const parts = run.reasons.map((reason) => reason.text);
  if (isMoved(run)) {
    const day = run.start && dayOf(run.start, zone) === dayOf(run.due, zone) ? "" : `${dayText(dayOf(run.due, zone))} `;
    parts.unshift(`due ${day}${clockText(run.due, zone)}`);
  }
  return parts.join(" · ");
}

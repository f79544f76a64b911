// What the page takes from the Airflow around it: where it is, its time zone, its width, and its router.
import { useSyncExternalStore } from "react";
import { isZone } from "./times";

declare global {
  /** Set by shell.tsx: the page stands alone, and links lead out of it. */
  var calendarTimetableAlone: boolean | undefined;
}

export const alone = (): boolean => globalThis.calendarTimetableAlone === true;

/** An address under Airflow's base; both Airflow's page and ours say it in `<base href>`. */
export const address = (path: string): string => new URL(path, document.baseURI).href;

function subscribe(changed: () => void): () => void {
  // "local-storage" is what Airflow sends itself: browsers tell only the other windows.
  const events = ["storage", "local-storage"];
  for (const event of events) window.addEventListener(event, changed);
  return () => {
    for (const event of events) window.removeEventListener(event, changed);
  };
}

function chosenZone(): string {
  try {
    const zone: unknown = JSON.parse(localStorage.getItem("timezone") ?? '"UTC"');
    return typeof zone === "string" && isZone(zone) ? zone : "UTC";
  } catch {
    return "UTC";
  }
}

/** The zone of Airflow's selector, followed as it changes. */
export const useZone = (): string => useSyncExternalStore(subscribe, chosenZone);

/** Tell styles how much padding lies above what scrolls the page: what sticks to its top would stop below that. */
export function tellInset(page: HTMLElement | null): void {
  let around = page?.parentElement;
  while (around && !/auto|scroll/.test(getComputedStyle(around).overflowY)) around = around.parentElement;
  page?.style.setProperty("--ct-inset", around ? getComputedStyle(around).paddingTop : "0px");
}

const narrow = matchMedia("(max-width: 40rem)");

/** Whether this is a telephone's width. */
export function useNarrow(): boolean {
  return useSyncExternalStore(
    (changed) => {
      narrow.addEventListener("change", changed);
      return () => narrow.removeEventListener("change", changed);
    },
    () => narrow.matches,
  );
}

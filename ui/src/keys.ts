// The keyboard: one key for each view, and arrows from run to run.
import { type KeyboardEvent as ReactKeyboardEvent, useEffect, useRef } from "react";

export const KEYS = {
  t: "Now",
  d: "Timeline",
  a: "Agenda",
  w: "Week",
  m: "Month",
  l: "Load",
  v: "Advice",
  "/": "Filter",
  "?": "Keyboard shortcuts",
} as const;
export type Key = keyof typeof KEYS;

const TYPING = "input, textarea, select, dialog[open]:modal, [contenteditable], [role=menu], [role=dialog]";

/** Call `press` with each of these keys, unless something is being typed or another dialog is open. */
export function useKeys(press: (key: Key) => void): void {
  const latest = useRef(press);
  latest.current = press;
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const at = event.target as Element | null;
      if (event.ctrlKey || event.metaKey || event.altKey || !(event.key in KEYS)) return;
      if (at?.closest?.(TYPING) || document.querySelector("dialog:modal")) return;
      event.preventDefault();
      latest.current(event.key as Key);
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, []);
}

const STOPS = "[data-stop]";
const STEPS: Record<string, [number, number]> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

/** Among what is marked with `data-stop` Tab stops once; arrows, Home and End lead on (a roving tabindex). */
export function useRoving() {
  const around = useRef<HTMLDivElement>(null);
  const stops = () => [...(around.current?.querySelectorAll<HTMLElement>(STOPS) ?? [])];

  useEffect(() => {
    const all = stops();
    if (!all.some((each) => each.tabIndex === 0)) all[0]?.setAttribute("tabindex", "0");
  });

  const onFocus = (event: { target: EventTarget }) => {
    const stop = (event.target as HTMLElement).closest<HTMLElement>(STOPS);
    if (stop) for (const each of stops()) each.tabIndex = each === stop ? 0 : -1;
  };
  const onKeyDown = (event: ReactKeyboardEvent) => {
    const at = (event.target as HTMLElement).closest<HTMLElement>(STOPS);
    if (!at || event.ctrlKey || event.metaKey || event.altKey) return;
    const all = stops();
    const step = STEPS[event.key];
    const to = step ? nearest(at, all, step) : { Home: all[0], End: all.at(-1) }[event.key];
    if (!step && !to) return;
    event.preventDefault();
    to?.focus();
  };
  return { ref: around, onFocus, onKeyDown };
}

/** The next one in a direction; what lies straight ahead is nearer than what lies aside. */
function nearest(at: HTMLElement, all: HTMLElement[], [x, y]: [number, number]): HTMLElement | undefined {
  const middle = (element: HTMLElement) => {
    const box = element.getBoundingClientRect();
    return [box.left + Math.min(box.width / 2, 20), box.top + box.height / 2] as const;
  };
  const [fromX, fromY] = middle(at);
  let found: HTMLElement | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (const each of all) {
    const [toX, toY] = middle(each);
    const [ahead, aside] = x ? [(toX - fromX) * x, Math.abs(toY - fromY)] : [(toY - fromY) * y, Math.abs(toX - fromX)];
    const far = ahead + (x ? 8 : 2) * aside;
    if (each !== at && ahead > 2 && far < least) [found, least] = [each, far];
  }
  return found;
}

/** Put the focus back on what shows this run. */
export const focusRun = (id: string): void =>
  void requestAnimationFrame(() => document.querySelector<HTMLElement>(`[data-run="${CSS.escape(id)}"]`)?.focus());

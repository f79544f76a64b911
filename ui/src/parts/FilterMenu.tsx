import { useEffect, useId, useRef, useState } from "react";

interface FilterMenuProps {
  label: string;
  /** What may be chosen: value and the text that stands for it. */
  options: [string, string][];
  /** What is said where there is nothing to choose. */
  none: string;
  chosen: string[];
  onChange: (chosen: string[]) => void;
}

const SEARCH_FROM = 8;
const MOST = 100; // as many as a person reads through

/** A button that opens a list of boxes to tick. */
export function FilterMenu({ label, options, none, chosen, onChange }: FilterMenuProps) {
  const [open, setOpen] = useState(false);
  const [wanted, setWanted] = useState("");
  const around = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  const list = useId();

  useEffect(() => {
    if (!open) return;
    around.current?.querySelector("input")?.focus();
    const outside = (event: Event) => !around.current?.contains(event.target as Node) && setOpen(false);
    const events = ["pointerdown", "focusin"];
    for (const event of events) document.addEventListener(event, outside);
    return () => {
      for (const event of events) document.removeEventListener(event, outside);
    };
  }, [open]);

  // A value from a link may be of a DAG that is gone; it must still be there to be unticked.
  const missing = chosen.filter((value) => !options.some(([known]) => known === value));
  const all = [...missing.map((value): [string, string] => [value, value]), ...options];
  const shown = all.filter(([, text]) => text.toLowerCase().includes(wanted.toLowerCase()));
  const toggle = (value: string) =>
    onChange(chosen.includes(value) ? chosen.filter((each) => each !== value) : [...chosen, value]);

  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: keys within it move in the list, or close it
    <div
      className="ct-filter"
      ref={around}
      onKeyDown={(event) => {
        if (!open) return;
        const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
        if (step) {
          event.preventDefault();
          const all = [...(around.current?.querySelectorAll("input") ?? [])];
          all[all.indexOf(event.target as HTMLInputElement) + step]?.focus();
        }
        if (event.key !== "Escape") return;
        setOpen(false);
        button.current?.focus();
      }}
    >
      <button
        type="button"
        ref={button}
        aria-expanded={open}
        aria-controls={open ? list : undefined}
        className={chosen.length ? "ct-on" : undefined}
        onClick={() => setOpen(!open)}
      >
        {label}
        {chosen.length > 0 && <span className="ct-count">{chosen.length}</span>}
        <span aria-hidden="true" className="ct-caret" />
      </button>
      {open && (
        <fieldset className="ct-menu" id={list}>
          <legend className="ct-sr">{label}</legend>
          {all.length >= SEARCH_FROM && (
            <input
              type="search"
              aria-label={`Search ${label}`}
              placeholder="Search"
              value={wanted}
              onChange={(event) => setWanted(event.target.value)}
            />
          )}
          <div className="ct-menu-list">
            {shown.slice(0, MOST).map(([value, text]) => (
              <label key={value}>
                <input type="checkbox" checked={chosen.includes(value)} onChange={() => toggle(value)} />
                <bdi>{text}</bdi>
              </label>
            ))}
            {shown.length > MOST && <p className="ct-muted">{shown.length - MOST} more: search for them</p>}
            {shown.length === 0 && <p className="ct-muted">{all.length ? "No matches" : none}</p>}
          </div>
          {chosen.length > 0 && (
            <button type="button" className="ct-plain" onClick={() => onChange([])}>
              Clear
            </button>
          )}
        </fieldset>
      )}
    </div>
  );
}

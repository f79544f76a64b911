import { useState } from "react";

/** A text with a button that copies it; where the browser does not let us, it is selected instead. */
export function Copy({ text, label, code = false }: { text: string; label: string; code?: boolean }) {
  const [done, setDone] = useState("");
  const copy = async (button: HTMLElement) => {
    try {
      await navigator.clipboard.writeText(text);
      setDone("Copied");
    } catch {
      const shown = button.parentElement?.querySelector("pre");
      if (shown) getSelection()?.selectAllChildren(shown);
      setDone("Selected; copy it with your keyboard");
    }
  };
  return (
    <div className="ct-copy">
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard */}
      <pre tabIndex={0} className={code ? "ct-code" : "ct-code ct-wrap"}>
        {text}
      </pre>
      <button type="button" onClick={(event) => copy(event.currentTarget)}>
        {label}
      </button>{" "}
      <span role="status" className="ct-muted">
        {done}
      </span>
    </div>
  );
}

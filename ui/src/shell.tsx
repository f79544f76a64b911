// The page at an address of its own, for people whose role shows them no plugins: React, then the same main.js.
import * as React from "react";
import * as ReactJSXRuntime from "react/jsx-runtime";
import * as ReactDOM from "react-dom";
import { createRoot } from "react-dom/client";
import * as ReactRouterDOM from "react-router-dom";
import styles from "./styles/shell.css?inline";

declare global {
  var AirflowPlugin: React.ComponentType | undefined;
}

const sheet = new CSSStyleSheet();
sheet.replaceSync(styles);
document.adoptedStyleSheets = [sheet];

// Airflow's own choice of theme, which its pages keep under this name.
const dark = matchMedia("(prefers-color-scheme: dark)");
function paint() {
  const theme = localStorage.getItem("theme");
  const name = theme === "dark" || (theme !== "light" && dark.matches) ? "dark" : "light";
  document.documentElement.className = name;
}
paint();
dark.addEventListener("change", paint);
window.addEventListener("storage", paint);

Object.assign(globalThis, { React, ReactDOM, ReactJSXRuntime, ReactRouterDOM, calendarTimetableAlone: true });

document.addEventListener("DOMContentLoaded", () => {
  const Page = globalThis.AirflowPlugin;
  const root = document.getElementById("root");
  if (!Page || !root) return;
  const base = new URL(document.baseURI).pathname.replace(/\/$/, "");
  createRoot(root).render(
    <ReactRouterDOM.BrowserRouter basename={base}>
      <Page />
    </ReactRouterDOM.BrowserRouter>,
  );
});

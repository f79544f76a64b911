import { defineConfig } from "vite";

// `vite build` makes main.js, which Airflow's own page imports and gives its React to; `--mode shell` makes shell.js,
// which brings React for the page at an address of its own. Both hold their styles, so that each is one file.
const shared = { react: "React", "react-dom": "ReactDOM", "react-router-dom": "ReactRouterDOM" };
const globals: Record<string, string> = { ...shared, "react/jsx-runtime": "ReactJSXRuntime" };

export default defineConfig(({ mode }) => {
  const shell = mode === "shell";
  return {
    publicDir: shell ? false : "public",
    define: { "process.env.NODE_ENV": '"production"' },
    build: {
      outDir: "../src/calendar_timetable/web/static",
      emptyOutDir: false,
      target: "es2022",
      license: { fileName: shell ? "shell-licenses.md" : "main-licenses.md" },
      lib: {
        entry: shell ? "src/shell.tsx" : "src/main.tsx",
        name: shell ? "CalendarTimetableShell" : "AirflowPlugin",
        formats: [shell ? "iife" : "umd"],
        fileName: () => (shell ? "shell.js" : "main.js"),
      },
      rollupOptions: shell ? {} : { external: Object.keys(globals), output: { globals } },
    },
    test: { css: true, include: ["test/**/*.test.{ts,tsx}"] },
  };
});

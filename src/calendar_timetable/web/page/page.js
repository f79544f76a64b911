// Follow Airflow's own choice of theme and time zone; both live in the window around us.
(() => {
  const around = (() => { try { return window.parent.document.documentElement; } catch { return document.documentElement; } })();
  const dark = () => around.classList.contains("dark")
    || (!around.classList.contains("light") && matchMedia("(prefers-color-scheme: dark)").matches);
  const paint = () => { document.documentElement.dataset.theme = dark() ? "dark" : "light"; };
  new MutationObserver(paint).observe(around, { attributeFilter: ["class"] });
  paint();

  let zone = "UTC";
  try { zone = JSON.parse(localStorage.getItem("timezone")) || zone; } catch { /* keep UTC */ }
  const options = { weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  let format;
  try { format = new Intl.DateTimeFormat("en-GB", { ...options, timeZone: zone }); } catch {
    zone = "UTC";
    format = new Intl.DateTimeFormat("en-GB", { ...options, timeZone: zone });
  }
  for (const time of document.querySelectorAll("time")) {
    time.textContent = format.format(new Date(time.dateTime)).replace(",", "");
    time.title = time.dateTime;
  }
  document.querySelector("[data-zone]").textContent = zone;
})();

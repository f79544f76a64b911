"""Take the pictures of the pages in docs/examples.

They show each example's tasks, as Airflow's UI shows them.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from demo.examples import EXAMPLES
from demo.local_airflow import LocalAirflow
from tests.support.browser import Browser, chromium

IMAGES = Path(__file__).parents[1] / "docs" / "examples" / "images"
PAGES = {
    "weekly_retraining": "/dags/weekly_retraining",
    "gpu_training": "/dags/gpu_training",
    "gpu_training_kueue": "/dags/gpu_training_kueue",
    "genai_finetune": "/dags/genai_finetune",
    "inference_offpeak": "/dags/inference_offpeak",
    "calendar_is_the_schedule": "/dags/calendar_is_the_schedule",
    "calendar_recipes": "/dags?tags=recipe",
}
WIDE = {"genai_finetune": 1900, "weekly_retraining": 1500}


def main() -> None:
    """Take them all, of an Airflow that has read the examples and run none."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="pictures-") as folder:
        airflow = LocalAirflow(Path(folder), dags=EXAMPLES)
        try:
            airflow.migrate()
            read = airflow.airflow("dags", "reserialize")
            if read.returncode:
                raise RuntimeError(read.stderr[-2000:])
            airflow.start("api-server")
            airflow.wait_until_ready()
            with chromium(airflow, Path(folder, "chromium"), logged_in=airflow.session()) as page:
                for name, path in PAGES.items():
                    take(page, name, path)
        finally:
            airflow.stop()


def take(page: Browser, name: str, path: str) -> None:
    """Take one picture of Airflow's page at *path*."""
    size = (WIDE.get(name, 1200), 900 if name == "calendar_recipes" else 560)
    page.choose(size=size, default_dag_view='"graph"', theme="light", timezone='"Europe/Berlin"')
    page.driver.get(f"{page.airflow.address}{path}")
    page.one("a[href*='/dags/recipe_']" if name == "calendar_recipes" else ".react-flow__node")
    # The graph settles
    page.driver.execute_async_script("requestAnimationFrame(() => setTimeout(arguments[0], 1500))")
    page.driver.save_screenshot(str(IMAGES / f"{name}.png"))


if __name__ == "__main__":
    main()

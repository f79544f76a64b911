"""Take the pictures of the pages in docs/examples: each example's tasks, as Airflow's UI shows them."""

from __future__ import annotations

import tempfile
from pathlib import Path

from selenium.webdriver.common.by import By

from demo.examples import EXAMPLES
from demo.local_airflow import LocalAirflow
from demo.services import wait_until
from tools.browser import logged_in

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
            for name, path in PAGES.items():
                take(airflow, name, path)
        finally:
            airflow.stop()


def take(airflow: LocalAirflow, name: str, path: str) -> None:
    settings = {"default_dag_view": '"graph"', "theme": "light", "timezone": '"Europe/Berlin"'}
    height = 900 if name == "calendar_recipes" else 560
    with logged_in(airflow, width=WIDE.get(name, 1200), height=height, **settings) as driver:
        driver.get(f"{airflow.address}{path}")
        shown = "a[href*='/dags/recipe_']" if name == "calendar_recipes" else ".react-flow__node"
        wait_until(f"what {path} shows", lambda: driver.find_elements(By.CSS_SELECTOR, shown), seconds=90)
        driver.execute_async_script("requestAnimationFrame(() => setTimeout(arguments[0], 1500))")  # the graph settles
        driver.save_screenshot(str(IMAGES / f"{name}.png"))


if __name__ == "__main__":
    main()

"""A Chromium without a window, logged in to an Airflow: what pictures are taken with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from selenium import webdriver

from demo.local_airflow import LocalAirflow

FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")


@contextmanager
def logged_in(airflow: LocalAirflow, *, width: int, height: int, **stored: str) -> Iterator[webdriver.Chrome]:
    """A page of *airflow*, with these settings in its local storage."""
    options = webdriver.ChromeOptions()
    for flag in FLAGS:
        options.add_argument(flag)
    options.binary_location = "/usr/bin/chromium"
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService("/usr/bin/chromedriver"))
    try:
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        driver.get(f"{airflow.address}/api/v2/version")
        token = str(airflow.session().headers["Authorization"]).removeprefix("Bearer ")
        driver.add_cookie({"name": "_token", "value": token})
        for name, value in stored.items():
            driver.execute_script("localStorage.setItem(arguments[0], arguments[1])", name, value)
        yield driver
    finally:
        driver.quit()

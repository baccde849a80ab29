"""A browser without a window."""

import contextlib
import os
import pathlib

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-proxy-server",
)


@contextlib.contextmanager
def chromium(profile, size="1280,800", *flags):
    options = Options()
    options.binary_location = os.environ["SAGEGATE_CHROMIUM"]
    for flag in (*FLAGS, f"--window-size={size}", f"--user-data-dir={profile}", *flags):
        options.add_argument(flag)
    service = Service(executable_path=os.environ["SAGEGATE_CHROMEDRIVER"])
    driver = webdriver.Chrome(options=options, service=service)
    try:
        yield driver
    finally:
        driver.quit()


def keep(driver, name):
    """Keeps a picture of the page where SAGEGATE_SCREENSHOTS names a directory."""
    place = os.environ.get("SAGEGATE_SCREENSHOTS")
    if place:
        pathlib.Path(place).mkdir(parents=True, exist_ok=True)
        driver.save_screenshot(str(pathlib.Path(place) / f"{name}.png"))

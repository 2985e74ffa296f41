"""Takes the README's screenshots from a running Dagster UI, as a person would see it.

Run it while `make dev` runs, after `make demo`: `.venv/bin/python docs/screenshots.py`.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from fraud_platform.settings import load_settings

OUT = Path(__file__).parent / "images"
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def shoot(page: Page, url: str, name: str, wait_for: str, clicks: tuple[str, ...] = ()) -> Path:
    """Open a page, wait for a text on it, click what opens a picture, and keep it as PNG."""
    page.goto(url)
    page.get_by_text(wait_for).first.wait_for(timeout=60_000)
    for text in clicks:
        page.get_by_text(text).first.click()
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(1_500)
    target = OUT / f"{name}.png"
    page.screenshot(path=str(target))
    return target


def main() -> None:
    """Take every picture that the README shows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default=f"http://127.0.0.1:{load_settings().dagster_port}")
    root = parser.parse_args().url
    OUT.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1600, "height": 1000})
        location = f"{root}/locations/fraud_platform.definitions"
        for url, name, wait_for, clicks in (
            (f"{root}/asset-groups", "lineage", "raw_drops", ()),
            (f"{root}/assets/transactions", "transactions", "transactions", ()),
            (f"{root}/assets/ab_report", "ab_report", "ab_report", ()),
            (f"{location}/schedules/weekly_decision", "schedule", "weekly_decision", ()),
            (f"{location}/sensors/new_drops", "sensor", "new_drops", ()),
        ):
            print(shoot(page, url, name, wait_for, clicks))
        browser.close()


if __name__ == "__main__":
    main()

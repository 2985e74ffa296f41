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
LIMIT_MS = 60_000


def settle(page: Page) -> None:
    """Wait until the page has loaded what it shows."""
    page.wait_for_load_state("networkidle", timeout=LIMIT_MS)
    page.wait_for_timeout(2_000)


def shoot_lineage(page: Page, root: str) -> None:
    """Show the lineage with all groups open."""
    page.goto(f"{root}/asset-groups")
    page.get_by_text("promotion").first.wait_for(timeout=LIMIT_MS)
    settle(page)
    page.mouse.click(1_100, 850, button="right")
    page.get_by_role("menuitem", name="Expand all groups").click()
    settle(page)
    save(page, "lineage")


def shoot_markdown(page: Page, root: str, asset: str, key: str, name: str) -> None:
    """Open an asset's page and the picture or report that hides behind [Show Markdown]."""
    page.goto(f"{root}/assets/{asset}")
    page.get_by_text("Latest materialization").first.wait_for(timeout=LIMIT_MS)
    settle(page)
    row = page.locator("tr", has_text=key).filter(has_text="Show Markdown").last
    row.scroll_into_view_if_needed()
    row.get_by_text("Show Markdown").click()
    settle(page)
    page.evaluate("document.querySelectorAll('*').forEach(part => { part.scrollTop = 0 })")
    save(page, name)


def shoot_page(page: Page, url: str, wait_for: str, name: str) -> None:
    """Show a page as it opens."""
    page.goto(url)
    page.get_by_text(wait_for).first.wait_for(timeout=LIMIT_MS)
    settle(page)
    save(page, name)


def save(page: Page, name: str) -> None:
    """Keep what the page shows, and say where."""
    target = OUT / f"{name}.png"
    page.screenshot(path=str(target))
    print(target)


def main() -> None:
    """Take every picture that the README shows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default=f"http://127.0.0.1:{load_settings().dagster_port}")
    root = parser.parse_args().url
    OUT.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1_500, "height": 950})
        location = f"{root}/locations/fraud_platform.definitions"
        shoot_lineage(page, root)
        shoot_markdown(page, root, "transactions", "profile", "transactions")
        shoot_markdown(page, root, "ab_report", "report", "ab_report")
        shoot_markdown(page, root, "ab_report", "forest_plot", "forest_plot")
        shoot_page(page, f"{location}/schedules/weekly_decision", "Tick history", "schedule")
        shoot_page(page, f"{location}/sensors/live_transactions", "live_transactions", "sensor")
        shoot_markdown(page, root, "inference_batches", "latency", "inference_batches")
        browser.close()


if __name__ == "__main__":
    main()

"""What MkDocs calls while it builds the site.

Here: adding the pages that come from code and from the root of the repository, and refusing a site
that loads anything from another host.
Not here: how those pages are made (`docs.generators.reference`), the site's settings
(`mkdocs.yml`).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

from docs.generators.reference import api_pages, reference_pages

ROOT = Path(__file__).parents[1]
ROOT_PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security.md",
}
_LOADED = re.compile(
    r"<(?:script|img|iframe)[^>]+src=\"?(?:https?:)?//|<link[^>]+href=\"?(?:https?:)?//"
)


def on_config(config: Any) -> Any:
    """List every decision record and every package in the navigation."""
    records = sorted(path.name for path in (ROOT / "docs" / "decisions").glob("0*.md"))
    listed = {
        "Decisions": ["decisions/index.md", *(f"decisions/{name}" for name in records)],
        "API": sorted(api_pages(), key=lambda page: (not page.endswith("index.md"), page)),
    }
    config.nav = _with_lists(config.nav, listed)
    return config


def _with_lists(nav: Any, listed: dict[str, list[str]]) -> Any:
    """Return the navigation with the entries of these titles replaced by lists."""
    if isinstance(nav, list):
        return [_with_lists(item, listed) for item in nav]
    if isinstance(nav, dict):
        return {title: listed.get(title) or _with_lists(i, listed) for title, i in nav.items()}
    return nav


def on_files(files: Files, config: Any) -> Files:
    """Add the generated pages."""
    pages = {**reference_pages(), **{page: _moved(name) for name, page in ROOT_PAGES.items()}}
    for path, text in pages.items():
        files.append(File.generated(config, path, content=text))
    return files


def _moved(name: str) -> str:
    """Return a page of the root with its links as they are from the folder of the docs."""
    text = (ROOT / name).read_text().replace("](docs/", "](")
    for root_page, page in ROOT_PAGES.items():
        text = text.replace(f"]({root_page})", f"]({page})")
    return text


def on_post_build(config: Any) -> None:
    """Refuse a page that loads a script, a style, a font or an image from another host."""
    site = Path(config.site_dir)
    loaded = [
        str(path.relative_to(site))
        for path in site.rglob("*.html")
        if _LOADED.search(path.read_text())
    ]
    if loaded:
        raise PluginError(
            f"expected pages that load nothing from other hosts, found {', '.join(loaded[:5])}. "
            "Put what they load into docs/."
        )

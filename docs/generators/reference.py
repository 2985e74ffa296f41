"""Reference pages that are made while the site is built: commands, tables, assets, findings, API.

Here: each page as Markdown, from the running code.
Not here: adding them to the site (`docs/hooks.py`), the kept pages (`docs.generators.kept`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any

import fraud_platform

PACKAGE = Path(fraud_platform.__file__).parent


def reference_pages() -> dict[str, str]:
    """Return each page's path in the site, and its text."""
    return {
        "reference/commands.md": commands_page(),
        "reference/tables.md": tables_page(),
        "reference/assets.md": assets_page(),
        "reference/findings.md": findings_page(),
        **api_pages(),
    }


def commands_page() -> str:
    """Return every command with its arguments and options, as `--help` shows them."""
    parts = ["# Commands\n", "`fraud-platform COMMAND --help` shows the same in a terminal.\n"]
    for path, command in _commands():
        usage = " ".join(["fraud-platform", *path, *(_usage(p) for p in command.params)])
        parts += [f"## `{' '.join(path)}`\n", f"{command.help or ''}\n", f"    {usage}\n"]
        if command.params:
            parts.append(_table(("parameter", "default", ""), map(_parameter, command.params)))
    return "\n".join(parts)


def _commands() -> Iterator[tuple[tuple[str, ...], Any]]:
    from typer.main import get_command

    from fraud_platform.cli.commands import app

    waiting: list[tuple[tuple[str, ...], Any]] = [((), get_command(app))]
    while waiting:
        path, command = waiting.pop(0)
        inner = getattr(command, "commands", None)
        if inner is None:
            yield path, command
        else:
            waiting += [((*path, name), inner[name]) for name in sorted(inner)]


def _usage(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return str(parameter.name).upper()
    name = max(parameter.opts, key=len)
    word = name if parameter.is_flag else f"{name} {parameter.name.upper()}"
    return word if parameter.required else f"[{word}]"


def _parameter(parameter: Any) -> tuple[str, str, str]:
    is_argument = parameter.param_type_name == "argument"
    name = parameter.name.upper() if is_argument else " ".join(parameter.opts)
    default = parameter.default
    has_default = default not in (None, False) and not parameter.required
    return f"`{name}`", f"`{default}`" if has_default else "", parameter.help or ""


def tables_page() -> str:
    """Return every table of the lake with its columns, from its contract."""
    from fraud_platform.tables.catalog import ALL_TABLES

    parts = ["# Tables\n", "The contracts of all tables, in the order in which data flows.\n"]
    for table in ALL_TABLES:
        key, partitions = ", ".join(table.key) or "none", ", ".join(table.partition_by) or "none"
        rows = (
            (f"`{c.name}`", c.type, "yes" if c.nullable else "", c.description)
            for c in table.columns
        )
        parts += [
            f"## `{table.name}`\n",
            f"{table.description}\n",
            f"Key: {key}. Partitioned by: {partitions}.\n",
            _table(("column", "type", "nullable", ""), rows),
        ]
    return "\n".join(parts)


def assets_page() -> str:
    """Return the assets, checks, sensors, schedules and jobs, from the definitions."""
    from fraud_platform.defs.assembly import defs

    graph, served = defs.resolve_asset_graph(), defs.get_repository_def()
    nodes = sorted(graph.asset_nodes, key=lambda n: (str(n.group_name), n.key.path[-1]))
    assets = (
        (
            f"`{node.key.path[-1]}`",
            str(node.group_name),
            ", ".join(f"`{parent.path[-1]}`" for parent in sorted(node.parent_keys)),
            node.description or "",
        )
        for node in nodes
    )
    checks = sorted((c.name, c.asset_key.path[-1]) for c in graph.asset_check_keys)
    named: list[Any] = [*served.sensor_defs, *served.schedule_defs]
    automation = sorted((n.name, type(n).__name__, n.description or "") for n in named)
    return "\n".join(
        [
            "# Assets\n",
            "The lineage as a picture is in [architecture](../architecture.md).\n",
            _table(("asset", "group", "made from", ""), assets),
            "## Checks\n",
            _table(("check", "asset"), ((f"`{c}`", f"`{a}`") for c, a in checks)),
            "## Sensors and schedules\n",
            _table(
                ("name", "kind", ""),
                ((f"`{name}`", _kind(kind), words) for name, kind, words in automation),
            ),
        ]
    )


def _kind(class_name: str) -> str:
    return "schedule" if "Schedule" in class_name else "sensor"


def findings_page() -> str:
    """Return what `findings/` shows of other libraries, from the header of each script."""
    parts = ["# Findings\n", "Behaviour of other libraries that a good engineer would not guess.\n"]
    for path in sorted((PACKAGE.parent / "findings").glob("*.sh")):
        lines = path.read_text().splitlines()[1:]
        header = [
            line.removeprefix("#")[1:] for line in takewhile(lambda x: x.startswith("#"), lines)
        ]
        text = "\n".join(line for line in header[1:]).strip("\n")
        parts += [f"## {header[0]}\n", f"`findings/{path.name}` shows it.\n"]
        parts += [f"```text\n{text}\n```\n"]
    return "\n".join(parts)


def api_pages() -> dict[str, str]:
    """Return a page for each package and top module, and one that lists them."""
    names = sorted(
        path.stem
        for path in PACKAGE.iterdir()
        if path.stem not in ("__init__", "__pycache__") and (path.is_dir() or path.suffix == ".py")
    )
    names = [name for name in names if re.fullmatch(r"[a-z_]+", name)]
    index = ["# API\n", "From the docstrings of the code.\n"]
    index += [f"- [`fraud_platform.{name}`]({name}.md)" for name in names]
    pages = {"reference/api/index.md": "\n".join([*index, ""])}
    for name in names:
        blocks = (f"::: {module}\n" for module in _modules_of(name))
        pages[f"reference/api/{name}.md"] = "\n".join([f"# `fraud_platform.{name}`\n", *blocks])
    return pages


def _modules_of(name: str) -> list[str]:
    path = PACKAGE / name
    found = sorted(path.rglob("*.py")) if path.is_dir() else [path.with_suffix(".py")]
    dotted = (".".join(p.relative_to(PACKAGE.parent).with_suffix("").parts) for p in found)
    return [module.removesuffix(".__init__") for module in dotted]


def _table(header: tuple[str, ...], rows: Any) -> str:
    lines = [header, tuple("---" for _ in header), *rows]
    cells = [[" ".join(str(cell).split()).replace("|", "\\|") for cell in line] for line in lines]
    return "\n".join("| " + " | ".join(line) + " |" for line in cells) + "\n"

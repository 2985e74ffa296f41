"""The picture of the assets: their lineage and what requests them, from the definitions.

Here: a layout in bands of asset groups, drawn as SVG text, the same bytes every time.
Not here: the definitions (`fraud_platform.defs`), the page that shows the picture
(`docs/architecture.md`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from fraud_platform.contracts.messages import topic_specs
from fraud_platform.settings import Settings

WIDTH = 960
NODE_WIDTH, NODE_HEIGHT, NODE_GAP = 156, 26, 26
BAND_GAP, PADDING, TITLE_HEIGHT, MARGIN = 44, 12, 30, 16
FILLS = ("#eef3fb", "#eef8f1", "#fdf5e6", "#f6effa", "#fdeeee", "#eaf7f7", "#f3f3f3", "#f7f7e8")


@dataclass(frozen=True)
class Graph:
    """What is drawn: nodes by group, edges, and the sensors and schedules of each group."""

    groups: Mapping[str, tuple[str, ...]]
    edges: tuple[tuple[str, str], ...]
    requested_by: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels."""

    x: int
    y: int
    width: int
    height: int

    @property
    def middle_x(self) -> int:
        """Pixels from the left to the middle."""
        return self.x + self.width // 2

    @property
    def middle_y(self) -> int:
        """Pixels from the top to the middle."""
        return self.y + self.height // 2


@cache
def asset_graph() -> Graph:
    """Return the graph of the platform's definitions, with the systems at its ends."""
    from fraud_platform.defs.assembly import defs

    graph = defs.resolve_asset_graph()
    groups: dict[str, list[str]] = defaultdict(list)
    edges = set(_edges_to_the_outside())
    for node in graph.asset_nodes:
        groups[node.group_name].append(node.key.path[-1])
        edges |= {(parent.path[-1], node.key.path[-1]) for parent in node.parent_keys}
    ranks = _ranks(edges)
    ordered = {
        group: tuple(sorted(names, key=lambda n: (ranks[n], n)))
        for group, names in sorted(groups.items())
    }
    return Graph(ordered, tuple(sorted(edges)), _requests(groups))


def _edges_to_the_outside() -> Iterable[tuple[str, str]]:
    transactions, labels, predictions, dead = (t.name for t in topic_specs(Settings()))
    yield from (("landing zone", "raw_drops"), (_topic(labels), "topic_labels"))
    yield (_topic(transactions), "inference_batches")
    yield (_topic(transactions), "dead_letters")
    yield from (("inference_batches", _topic(predictions)), ("dead_letters", _topic(dead)))


def _topic(name: str) -> str:
    return f"topic {name}"


def _requests(groups: Mapping[str, Iterable[str]]) -> dict[str, tuple[str, ...]]:
    """Return the sensors and schedules whose jobs materialize assets of each group."""
    from fraud_platform.defs.assembly import defs

    group_of = {name: group for group, names in groups.items() for name in names}
    served = defs.get_repository_def()
    found: dict[str, set[str]] = defaultdict(set)
    automation: list[Any] = [*served.sensor_defs, *served.schedule_defs]
    for each in automation:
        targets = each.targets if hasattr(each, "targets") else [each.target]
        for name in {target.job_name for target in targets}:
            for key in served.get_job(name).asset_layer.selected_asset_keys:
                found[group_of[key.path[-1]]].add(each.name)
    return {group: tuple(sorted(names)) for group, names in sorted(found.items())}


def _ranks(edges: Iterable[tuple[str, str]]) -> dict[str, int]:
    """Return the longest way to each node."""
    parents: dict[str, set[str]] = defaultdict(set)
    for start, end in edges:
        parents[end].add(start)
        parents[start] |= set()
    ranks: dict[str, int] = defaultdict(int)
    for _ in parents:
        for node, above in parents.items():
            ranks[node] = max((ranks[a] + 1 for a in above), default=0)
    return ranks


def bands_of(graph: Graph) -> list[list[str]]:
    """Return the groups of each band from the top: a group stands below all that it reads."""
    group_of = {name: group for group, names in graph.groups.items() for name in names}
    between = {
        (group_of[a], group_of[b])
        for a, b in graph.edges
        if a in group_of and b in group_of and group_of[a] != group_of[b]
    }
    ranks = _ranks(between)
    bands: dict[int, list[str]] = defaultdict(list)
    for group in graph.groups:
        bands[ranks[group]].append(group)
    return [sorted(bands[rank], reverse=True) for rank in sorted(bands)]


def asset_picture() -> str:
    """Return the picture as SVG."""
    graph = asset_graph()
    nodes, frames = _layout(graph)
    height = max(box.y + box.height for box in (*nodes.values(), *frames.values())) + MARGIN
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
            f'viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="12">'
        ),
        "<title>The assets, their lineage, and what requests them</title>",
        (
            '<defs><marker id="end" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" '
            'markerHeight="7" orient="auto">'
        ),
        '<path d="M0 0 L8 4 L0 8 z" fill="#5a6b7b"/></marker></defs>',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
    ]
    for number, (group, frame) in enumerate(frames.items()):
        parts += _frame(group, frame, FILLS[number % len(FILLS)], graph.requested_by.get(group, ()))
    parts += [_edge(nodes[start], nodes[end]) for start, end in graph.edges]
    parts += [part for name, box in nodes.items() for part in _node(name, box)]
    return "\n".join([*parts, "</svg>", ""])


def _layout(graph: Graph) -> tuple[dict[str, Box], dict[str, Box]]:
    """Return the box of every node and of every group."""
    nodes: dict[str, Box] = {}
    frames: dict[str, Box] = {}
    outside = sorted({name for edge in graph.edges for name in edge if " " in name})
    sinks = [name for name in outside if name in {end for _, end in graph.edges}]
    topics = [name for name in outside if name.startswith("topic") and name not in sinks]
    others = [name for name in outside if name not in (*sinks, *topics)]
    y = _place(nodes, others, MARGIN + PADDING, MARGIN) + BAND_GAP
    for band in bands_of(graph):
        x = MARGIN
        for group in band:
            width = _width_of(group, graph)
            _place(nodes, graph.groups[group], x + PADDING, y + TITLE_HEIGHT)
            frames[group] = Box(x, y, width, TITLE_HEIGHT + NODE_HEIGHT + PADDING)
            x += width + NODE_GAP
        y += TITLE_HEIGHT + NODE_HEIGHT + PADDING + BAND_GAP
    _place(nodes, reversed(sinks), MARGIN + PADDING, y)
    # the topics are read in the last band: they stand at the right, above it
    left = WIDTH - MARGIN - len(topics) * (NODE_WIDTH + NODE_GAP) + NODE_GAP
    _place(nodes, topics, left, y - 2 * (TITLE_HEIGHT + NODE_HEIGHT + PADDING + BAND_GAP) + PADDING)
    return nodes, frames


def _width_of(group: str, graph: Graph) -> int:
    nodes = len(graph.groups[group]) * (NODE_WIDTH + NODE_GAP) - NODE_GAP
    asked = ", ".join(graph.requested_by.get(group, ()))
    return (
        max(nodes, 8 * len(group) + 6 * len(f"requested by {asked}" if asked else "")) + 2 * PADDING
    )


def _place(nodes: dict[str, Box], names: Iterable[str], x: int, y: int) -> int:
    """Put nodes side by side from a corner; return their lower end."""
    for number, name in enumerate(names):
        nodes[name] = Box(x + number * (NODE_WIDTH + NODE_GAP), y, NODE_WIDTH, NODE_HEIGHT)
    return y + NODE_HEIGHT


def _frame(group: str, box: Box, fill: str, requested_by: Iterable[str]) -> list[str]:
    return [
        (
            f'<rect x="{box.x}" y="{box.y}" width="{box.width}" height="{box.height}" rx="8" '
            f'fill="{fill}" stroke="#c3ccd6"/>'
        ),
        (
            f'<text x="{box.x + PADDING}" y="{box.y + 19}" fill="#5a6b7b">'
            f'<tspan font-weight="bold" fill="#24303c">{group}</tspan>{_asked(requested_by)}</text>'
        ),
    ]


def _asked(requested_by: Iterable[str]) -> str:
    names = ", ".join(requested_by)
    return f'<tspan font-size="11">  requested by {names}</tspan>' if names else ""


def _node(name: str, box: Box) -> list[str]:
    is_outside = " " in name
    dash = ' stroke-dasharray="4 3"' if is_outside else ""
    return [
        (
            f'<rect x="{box.x}" y="{box.y}" width="{box.width}" height="{box.height}" rx="5" '
            f'fill="#ffffff" stroke="#5a6b7b"{dash}/>'
        ),
        (
            f'<text x="{box.x + box.width // 2}" y="{box.y + 17}" text-anchor="middle" '
            f'fill="#24303c">{name}</text>'
        ),
    ]


def _edge(start: Box, end: Box) -> str:
    """Return a curve from the bottom of one node to the top of another, or along a band."""
    if start.y == end.y:
        if end.x - start.x == NODE_WIDTH + NODE_GAP:
            path = f"M{start.x + start.width} {start.middle_y} L{end.x} {end.middle_y}"
        else:
            y = start.y + start.height
            path = f"M{start.middle_x} {y} C{start.middle_x} {y + 14} {end.middle_x} {y + 14} "
            path += f"{end.middle_x} {y}"
    else:
        y = start.y + start.height
        bend = min(BAND_GAP, (end.y - y) // 2 + 10)
        path = f"M{start.middle_x} {y} C{start.middle_x} {y + bend} "
        path += f"{end.middle_x} {end.y - bend} {end.middle_x} {end.y}"
    return f'<path d="{path}" fill="none" stroke="#5a6b7b" marker-end="url(#end)"/>'

"""The page of an inference batch.

Here: metadata and plots of a carried-out plan, column lineage.
Not here: scoring (`fraud_platform.scoring`), the assets (`defs.assets.inference`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg

from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.contracts.active import DECLARATION
from fraud_platform.defs.pages.opening import page
from fraud_platform.defs.pages.tables import picture, rounded, small_table, written
from fraud_platform.features.lineage import column_sources
from fraud_platform.scoring.figures import latency_histogram, percentiles_ms, score_histogram
from fraud_platform.scoring.log import ScoringLog, offsets_in
from fraud_platform.scoring.scorer import Progress
from fraud_platform.tables.features import TRANSACTION_FEATURES
from fraud_platform.tables.scoring import DEAD_LETTERS, SCORED

_SOURCES = column_sources(TRANSACTION_FEATURES)
LINEAGE = {
    **{
        name: sources
        for name, sources in _SOURCES.items()
        if name in {*DECLARATION.names, *(f.name for f in DECLARATION.flags)}
    },
    "model_version": [("promotion", "champion_after")],
    "fraud_probability": [("promotion", "champion_after")],
}

_NOTHING_SCORED = "No message was scored here, so there is nothing to draw."


def metadata_of(
    lake: Lake, progress: Progress, model_version: int, threshold: float, lag: dict[int, int]
) -> list[dg.MaterializeResult[None]]:
    """Return what a run did, by asset.

    Args:
        model_version, threshold: version and threshold of the model that scored.
        lag: messages that wait after the run, by partition.
    """
    counts = progress.counts
    scored = _scored(progress, model_version, threshold, lag)
    results: list[dg.MaterializeResult[Any]] = [
        dg.MaterializeResult(
            asset_key="inference_batches",
            metadata=page(
                _sentence(scored),
                {
                    "model version": model_version,
                    "messages": scored["messages"],
                    "messages a second": round(scored["messages_per_second"]),
                    "duplicates": scored["duplicates"],
                    "late": scored["late"],
                    "messages that wait": scored["lag"],
                },
                written(lake, SCORED, **{"dagster/row_count": scored["scored"], **scored}),
            ),
        )
    ]
    if dead := counts.get("dead_letters", 0):
        reasons = {
            name.removeprefix("dead_"): count
            for name, count in counts.items()
            if name.startswith("dead_") and name != "dead_letters"
        }
        metadata = page(
            f"{dead:,} of {scored['messages']:,} messages could not be used; the table has the "
            "reason and the problem of each.",
            dict(sorted(reasons.items(), key=lambda pair: -pair[1])[:8]),
            written(lake, DEAD_LETTERS, **{"dagster/row_count": dead, **reasons}),
        )
        results.append(dg.MaterializeResult(asset_key=DEAD_LETTERS.name, metadata=metadata))
    return results


def _sentence(scored: Mapping[str, Any]) -> str:
    return (
        f"{scored['scored']:,} transactions scored with version {scored['model_version']}, "
        f"{scored['alerts']:,} alerts, {scored['dead_letters']:,} dead letters."
    )


def _scored(
    progress: Progress, model_version: int, threshold: float, lag: dict[int, int]
) -> dict[str, Any]:
    counts = progress.counts
    names = ("scored", "dead_letters", "duplicates", "late", "alerts")
    odd = {name: n for name, n in counts.items() if name == "odd_timestamps"}
    return {
        "messages": counts.get("messages_read", 0),
        **{name: counts.get(name, 0) for name in names},
        **odd,
        "micro_batches": progress.micro_batches,
        "first_micro_batch": progress.first,
        "last_micro_batch": progress.last,
        "messages_per_second": counts.get("messages_read", 0) / max(progress.seconds, 1e-9),
        "model_version": model_version,
        "threshold": rounded(threshold, 6),
        "lag": sum(lag.values()),
        "lag_by_partition": small_table([{"partition": p, "lag": n} for p, n in lag.items()]),
        **_latencies("durable", progress.durable_ms),
        **_latencies("published", progress.published_ms),
        **_plots(progress, threshold),
    }


def _plots(progress: Progress, threshold: float) -> dict[str, dg.MarkdownMetadataValue]:
    """Return plots of the scores, or a text if nothing was scored."""
    if not any(map(len, progress.probabilities)):
        nothing = dg.MetadataValue.md(_NOTHING_SCORED)
        return {"latency": nothing, "scores": nothing}
    latency = latency_histogram(progress.durable_ms, progress.published_ms)
    return {
        "latency": picture(latency, "latency"),
        "scores": picture(score_histogram(progress.probabilities, threshold), "scores"),
    }


def _latencies(name: str, latencies: list[Any]) -> dict[str, float]:
    return {f"{name}_ms_{k}": v for k, v in percentiles_ms(latencies).items()}


def lag_behind(lake: Lake, highs: dict[int, tuple[int, int]]) -> dict[int, int]:
    """Return the number of messages after the last micro-batch, by partition."""
    committed = offsets_in(ScoringLog(lake).last())
    return {p: high - committed.get(p, low) for p, (low, high) in sorted(highs.items())}

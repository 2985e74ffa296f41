"""Asset checks after a run, from table logs and small tables alone.

Here: conservation of rows, features for every row, models on current drops, the alias.
Not here: checks by a stage before it writes (it then refuses to write).
"""

from collections import Counter
from datetime import date

import dagster as dg

from fraud_platform.adapters.tables.row_counts import rows_by_partition
from fraud_platform.calendar.due import built_from_replaced
from fraud_platform.contracts.tables import CLEANING_LEDGER, QUARANTINE, TRANSACTIONS
from fraud_platform.defs.deployment import SettingsResource
from fraud_platform.defs.pages.tables import small_table
from fraud_platform.defs.resources import LakeResource, ModelRegistryResource
from fraud_platform.operations.models.champion import find_champion
from fraud_platform.operations.models.weeks import trained_on
from fraud_platform.operations.needs import lake_needs
from fraud_platform.operations.platform_state import read_state
from fraud_platform.reporting.needs import NOTHING, needs_in_a_line
from fraud_platform.tables.features import TRANSACTION_FEATURES


@dg.asset_check(
    asset="cleaning_ledger",
    description="Each published drop: rows read = rows in transactions + rows in quarantine.",
)
def rows_are_conserved(lake: LakeResource) -> dg.AssetCheckResult:
    """Compare the ledger with the rows in the tables."""
    tables = lake.open()
    clean, rejected = (rows_by_partition(tables, t, "drop") for t in (TRANSACTIONS, QUARANTINE))
    ledger = tables.read_arrow(CLEANING_LEDGER).to_pylist()
    wrong = [
        f"{row['drop']}: read {row['rows_read']}, found {clean[row['drop']]} clean and "
        f"{rejected[row['drop']]} quarantined"
        for row in ledger
        if row["status"] == "published"
        and (
            clean[row["drop"]] != row["rows_clean"]
            or rejected[row["drop"]] != row["rows_quarantined"]
            or row["rows_read"] != row["rows_clean"] + row["rows_quarantined"]
        )
    ]
    published = sum(row["status"] == "published" for row in ledger)
    return dg.AssetCheckResult(
        passed=not wrong,
        description="; ".join(wrong) or f"{published} published drops add up",
        metadata={"rows_read": sum(row["rows_read"] for row in ledger)},
    )


@dg.asset_check(
    asset="cleaning_ledger",
    description="No drop is held, and no promotion waits for a person's decision.",
)
def nothing_waits_for_a_person(lake: LakeResource) -> dg.AssetCheckResult:
    """List everything that waits for a person, with the command for each."""
    needs = lake_needs(lake.open())
    rows = [
        {"what": n.what, "since": str(n.since or ""), "why": n.why, "remedy": n.remedy}
        for n in needs
    ]
    return dg.AssetCheckResult(
        passed=not needs,
        severity=dg.AssetCheckSeverity.WARN,
        description=needs_in_a_line(needs) or NOTHING,
        metadata={"needs_you": small_table(rows)} if rows else {},
    )


@dg.asset_check(
    asset="transaction_features",
    description="Each built day has one feature row for each clean transaction.",
)
def every_row_has_features(lake: LakeResource, settings: SettingsResource) -> dg.AssetCheckResult:
    """Compare the days' rows in the log with the clean rows of the drops or the stream."""
    tables = lake.open()
    features = rows_by_partition(tables, TRANSACTION_FEATURES, "tx_date")
    clean: Counter[date] = Counter()
    state = read_state(tables, settings)
    for day in state.days:
        clean[day.day] += day.rows
    built = state.built
    wrong = [f"{d}: {features[d]} of {clean[d]}" for d in built if features[d] != clean[d]]
    return dg.AssetCheckResult(
        passed=not wrong,
        description="; ".join(wrong[:10]) or f"{len(built)} days are complete",
        metadata={"days": len(built), "rows": sum(features[d] for d in built)},
    )


@dg.asset_check(
    asset="candidate_model",
    description="No model was trained on a drop that has been replaced since.",
)
def trained_on_present_drops(
    lake: LakeResource, registry: ModelRegistryResource, settings: SettingsResource
) -> dg.AssetCheckResult:
    """List the models whose training drops changed."""
    state = read_state(lake.open(), settings)
    stale = built_from_replaced(trained_on(registry.open()), state.days)
    return dg.AssetCheckResult(
        passed=not stale,
        severity=dg.AssetCheckSeverity.WARN,
        description=(
            f"versions {stale} were trained on drops that were replaced since; the next weekly "
            "candidate learns from the new ones"
            if stale
            else "no model's drops have changed"
        ),
    )


@dg.asset_check(asset="promotion", description="The alias `champion` is what the history says.")
def alias_follows_history(
    lake: LakeResource, registry: ModelRegistryResource
) -> dg.AssetCheckResult:
    """Compare alias and version with the history."""
    champion = find_champion(lake.open(), registry.open())
    return dg.AssetCheckResult(passed=champion.is_fine, description=champion.words)


ALL_CHECKS = [
    rows_are_conserved,
    nothing_waits_for_a_person,
    every_row_has_features,
    trained_on_present_drops,
    alias_follows_history,
]

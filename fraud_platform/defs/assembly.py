"""Assembly of all definitions.

Here: the lists of assets, checks, jobs, sensors and schedules, and the resources.
Not here: the definitions themselves (the other modules of this package).
"""

import dagster as dg

from fraud_platform.adapters.storage.private import keep_private
from fraud_platform.defs.assets.cleaned import clean_drop
from fraud_platform.defs.assets.comparison import ab_report
from fraud_platform.defs.assets.disagreements import (
    compare_days,
    compare_stream_with_drops,
    late_drops,
)
from fraud_platform.defs.assets.features import build_days_of_features
from fraud_platform.defs.assets.inference import (
    live_transactions,
    score_job,
    score_plan,
    topic_labels,
)
from fraud_platform.defs.assets.model import candidate_model, training_set
from fraud_platform.defs.assets.promotion import promotion
from fraud_platform.defs.assets.raw import new_drops, raw_drops
from fraud_platform.defs.assets.scoring_state import build_scoring_state, build_state, daily_state
from fraud_platform.defs.automation.clusters import cluster_reaper, clusters
from fraud_platform.defs.automation.dead_runs import dead_runs
from fraud_platform.defs.automation.maintenance import nightly_vacuum, vacuum
from fraud_platform.defs.automation.retention import machine_cleanup, nightly_retention, retention
from fraud_platform.defs.automation.schedules import (
    build_days,
    daily_features,
    decide_week,
    load_drop,
    weekly_decision,
)
from fraud_platform.defs.checks.batch import ALL_CHECKS
from fraud_platform.defs.checks.inference import INFERENCE_CHECKS
from fraud_platform.defs.deployment import DEPLOYMENT
from fraud_platform.defs.resources import resources_of
from fraud_platform.operations.own_home import require_own_data_set
from fraud_platform.settings import Settings


def assemble(settings: Settings) -> dg.Definitions:
    """Return everything that Dagster shows, with the resources from the settings.

    Each process of Dagster that works on the data calls this, which also makes its files private.
    """
    keep_private(settings)
    require_own_data_set(settings)
    return dg.Definitions(
        assets=[
            raw_drops,
            clean_drop,
            build_days_of_features,
            training_set,
            candidate_model,
            ab_report,
            promotion,
            build_scoring_state,
            topic_labels,
            score_plan,
            compare_stream_with_drops,
            clusters,
        ],
        asset_checks=[*ALL_CHECKS, *INFERENCE_CHECKS],
        jobs=[
            load_drop,
            build_days,
            decide_week,
            build_state,
            score_job,
            compare_days,
            vacuum,
            retention,
        ],
        sensors=[new_drops, live_transactions, cluster_reaper, dead_runs, machine_cleanup],
        schedules=[
            daily_features,
            weekly_decision,
            daily_state,
            late_drops,
            nightly_vacuum,
            nightly_retention,
        ],
        resources=resources_of(settings),
    )


defs = assemble(DEPLOYMENT)

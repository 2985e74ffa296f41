"""The run queue, which always keeps a slot for scoring.

Here: the coordinator that tags each submitted run with the kind of its work; the limit on that tag
is in `operations/services/instance/*.yaml`.
Not here: requesting runs (`defs.automation.requests`), the pools of tables (each asset's own).

A pool or a priority alone is not enough: a priority orders the queued runs, but if builds occupy
all slots, a scoring plan would still wait until one of them ends.
"""

from __future__ import annotations

import dagster as dg

WORK_TAG = "fraud_platform/work"
BATCH, LIVE = "batch", "live"
LIVE_JOBS = frozenset({"score_transactions"})


class PlatformRunCoordinator(dg.QueuedRunCoordinator[dg.DagsterInstance]):
    """Dagster's own queue; runs that do not score are marked as batch work first."""

    def submit_run(self, context: dg.SubmitRunContext) -> dg.DagsterRun:
        """Tag and queue a run, submitted by a sensor, a backfill or a person."""
        run = context.dagster_run
        work = LIVE if run.job_name in LIVE_JOBS else BATCH
        self._instance.add_run_tags(run.run_id, {WORK_TAG: work})
        return super().submit_run(context)

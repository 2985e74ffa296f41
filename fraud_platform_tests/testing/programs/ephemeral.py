"""A process that carries out one Dagster run on a cluster of its own: `python -m .. MODE TAG`.

Here: the run of the tests of ephemeral clusters; MODE says how it goes (success, failure, wait).
Not here: killing it and judging (`integration.spark.test_ephemeral_clusters`).
"""

import sys

import dagster as dg

from fraud_platform.defs.automation.clusters import CLUSTER_TAG
from fraud_platform.defs.resources import SparkResource, resources_of
from fraud_platform.settings import load_settings


class HowItGoes(dg.Config):
    mode: str


@dg.op
def work(context: dg.OpExecutionContext, config: HowItGoes, spark: SparkResource) -> None:
    session = spark.spark_session
    assert session.range(100).selectExpr("sum(id)").first()[0] == 4950
    print(f"worked {context.run_id}", flush=True)
    if config.mode == "failure":
        raise ValueError("the work itself is wrong")
    if config.mode == "wait":
        from fraud_platform_tests.testing.programs.spark import _wait

        session.range(0, 4, 1, 4).mapInArrow(_wait(600.0), "n long").collect()


@dg.job(executor_def=dg.in_process_executor)
def ephemeral() -> None:
    work()


def main(mode: str, provider: str) -> int:
    settings = load_settings()
    with dg.DagsterInstance.get() as instance:
        result = ephemeral.execute_in_process(
            run_config={"ops": {"work": {"config": {"mode": mode}}}},
            resources={name: resources_of(settings)[name] for name in ("spark", "settings")},
            instance=instance,
            tags={CLUSTER_TAG: provider},
            raise_on_error=False,
        )
    return 0 if result.success else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

"""A process that publishes drops and can be killed: `python -m ... SPARK_URL JOBS`.

Here: the client of the recovery tests; JOBS is a JSON list of [lake, drop, raw file].
Not here: the tests (`integration.cleaning.test_recovery`).
"""

from __future__ import annotations

import hashlib
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

from fraud_platform.adapters.spark.session import open_session
from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.cleaning import LabelClock, publish_drop
from fraud_platform.settings import Settings
from fraud_platform_tests.testing.defaults import limits, unpacking


def main() -> None:
    url, jobs = sys.argv[1], json.loads(sys.argv[2])
    spark = open_session(Settings(spark_url=url))
    for lake, drop, raw in jobs:
        content = Path(raw).read_bytes()
        publish_drop(
            spark,
            Lake(lake),
            raw,
            drop,
            content_sha256=hashlib.sha256(content).hexdigest(),
            size_bytes=len(content),
            run_id="recovery",
            limits=limits(quarantined=1.0),
            unpacking=unpacking(),
            clock=LabelClock(watermark=datetime(2019, 10, 2, tzinfo=UTC)),
        )


if __name__ == "__main__":
    main()

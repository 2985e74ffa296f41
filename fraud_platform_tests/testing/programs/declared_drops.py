"""A process that takes drops of a declared source from landing to the tables.

`python -m ... LANDING RAW LAKE [RANGE_BYTES]`, with FRAUD_DATA_SET: copies each complete drop to
the raw zone and publishes it; prints one line of JSON for each, and the complaints about other
files.

Here: the program.
Not here: the tests, the declarations.
"""

from __future__ import annotations

import json
import sys
import time

from fraud_platform.adapters.spark.session import open_session
from fraud_platform.adapters.storage.zones import open_zone
from fraud_platform.adapters.tables.lake import Lake
from fraud_platform.cleaning import drop as drop_module
from fraud_platform.cleaning import publish_drop
from fraud_platform.errors import DataError
from fraud_platform.ingest import copy_drop, observe_landing
from fraud_platform.settings import load_settings
from fraud_platform_tests.testing.defaults import limits, unpacking


def main() -> None:
    landing, raw = open_zone(sys.argv[1]), open_zone(sys.argv[2], create=True)
    if len(sys.argv) > 4:
        drop_module.SMALLEST_RANGE_BYTES = drop_module.RANGE_BYTES = int(sys.argv[4])
    lake = Lake(sys.argv[3])
    look = observe_landing(landing, raw, None, time.time(), settle_seconds=0)
    print(json.dumps({"complaints": [complaint.message for complaint in look.complaints]}))
    spark = open_session(load_settings())
    for arrival in look.arrivals:
        copied = copy_drop(landing, raw, arrival.name)
        try:
            outcome = publish_drop(
                spark, lake, copied.url, copied.drop, content_sha256=copied.sha256,
                size_bytes=copied.size_bytes, run_id="declared", limits=limits(quarantined=1.0),
                unpacking=unpacking(),
            )  # fmt: skip
        except DataError as error:
            print(json.dumps({"drop": copied.drop, "error": f"{type(error).__name__}: {error}"}))
        else:
            print(json.dumps({"drop": copied.drop, **outcome.ledger}, default=str))


if __name__ == "__main__":
    main()

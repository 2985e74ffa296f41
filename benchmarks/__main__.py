"""Runs all benchmarks, one after another, each in its own process.

Here: the order.
Not here: measuring (the other modules of this folder).
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

MODULES = (
    "simulation",
    "cleaning",
    "general_source",
    "features",
    "comparison",
    "decoding",
    "scoring",
    "scoring_state",
    "spark_start",
)


def main() -> int:
    """Run all benchmarks and return the number of those that failed."""
    modules = list(MODULES)
    if os.environ.get("FRAUD_REAL_DROPS"):
        modules.append("quality")
    else:
        print("quality is skipped: set FRAUD_REAL_DROPS to the folder with the Handbook drops")
    failed = 0
    for module in modules:
        command = [sys.executable, "-m", f"benchmarks.{module}"]
        print(f"\n$ {' '.join(command[1:])}", flush=True)
        started = time.monotonic()
        failed += subprocess.run(command, check=False).returncode != 0
        print(f"({time.monotonic() - started:.0f} s)", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main())

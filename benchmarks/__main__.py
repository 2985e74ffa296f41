"""Runs every benchmark, one after another, each in a process of its own.

Here: the order.
Not here: measuring (the modules beside this one).
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

MODULES = (
    "simulation",
    "cleaning",
    "features",
    "comparison",
    "scoring",
    "scoring_state",
    "spark_start",
)


def main() -> int:
    """Run all benchmarks; the exit code counts those that could not finish."""
    modules = list(MODULES)
    if os.environ.get("FRAUD_REAL_DROPS"):
        modules.append("quality")
    else:
        print("quality is left out: set FRAUD_REAL_DROPS to the folder with the Handbook drops")
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

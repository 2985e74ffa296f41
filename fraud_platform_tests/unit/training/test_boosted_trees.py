from __future__ import annotations

import os
import subprocess
import sys

import pytest


@pytest.mark.parametrize(("chosen", "expected"), [(None, "passive"), ("active", "active")])
def test_threads_that_wait_sleep_whichever_library_loads_openmp_first(
    chosen: str | None, expected: str
) -> None:
    """OpenMP reads the variable once; scikit-learn may be loaded long before XGBoost."""
    environment = {name: text for name, text in os.environ.items() if name != "OMP_WAIT_POLICY"}
    if chosen is not None:
        environment["OMP_WAIT_POLICY"] = chosen
    program = "import fraud_platform, os; print(os.environ['OMP_WAIT_POLICY'])"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == expected

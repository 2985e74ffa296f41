"""Named points at which a test can kill the process, to prove that running again mends it.

Here: the one function that those points call. It does nothing unless `FRAUD_KILL_AT` names the
point.
Not here: what is recovered, and how (each stage), or the tests that kill (`fraud_platform_tests`).
"""

from __future__ import annotations

import os
import signal

KILL_VARIABLE = "FRAUD_KILL_AT"


def kill_point(name: str) -> None:
    """Kill this process with SIGKILL where `FRAUD_KILL_AT` equals `name`."""
    if os.environ.get(KILL_VARIABLE) == name:
        os.kill(os.getpid(), signal.SIGKILL)

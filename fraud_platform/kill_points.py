"""Named points at which a test can kill or stop the process, to prove that nothing is lost by it.

Here: the one function that those points call. It does nothing unless `FRAUD_KILL_AT` or
`FRAUD_STOP_AT` names the point.
Not here: what is recovered, and how (each stage), or the tests that kill (`fraud_platform_tests`).
"""

from __future__ import annotations

import os
import signal

KILL_VARIABLE, STOP_VARIABLE = "FRAUD_KILL_AT", "FRAUD_STOP_AT"


def kill_point(name: str) -> None:
    """Kill this process where `FRAUD_KILL_AT` equals `name`; stop it once for `FRAUD_STOP_AT`.

    A stopped process continues from here when it gets SIGCONT.
    """
    if os.environ.get(KILL_VARIABLE) == name:
        os.kill(os.getpid(), signal.SIGKILL)
    if os.environ.get(STOP_VARIABLE) == name:
        del os.environ[STOP_VARIABLE]
        os.kill(os.getpid(), signal.SIGSTOP)

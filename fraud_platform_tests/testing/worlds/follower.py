"""A follower in a process of its own: `fraud-platform score --follow`.

Here: starting and ending it, what it must score.
Not here: whether it scored right (`oracles.scoring`).
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fraud_platform.settings import Settings
from fraud_platform_tests.oracles.scoring import SCORED as IS_SCORED
from fraud_platform_tests.oracles.scoring import Sent

FOLLOW = (
    "import sys; from fraud_platform.cli.commands import main; "
    "sys.argv[1:] = ['score', '--follow']; main()"
)


@contextmanager
def following(settings: Settings, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run `score --follow` until the block ends; what it says goes to a file."""
    environment = {**os.environ, **settings.environment}
    with log.open("wb") as log_file:
        process = subprocess.Popen(
            [sys.executable, "-u", "-c", FOLLOW, "score", "--follow"],
            env=environment,
            stdout=log_file,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def scored_ids(sent: list[Sent]) -> list[int]:
    found = [one.transaction_id for one in sent if one.outcome == IS_SCORED]
    return sorted(number for number in found if number is not None)

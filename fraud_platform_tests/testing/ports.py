"""Free ports for the servers of tests.

Here: ports that nothing listens on.
Not here: the servers (`testing.servers`).
"""

from __future__ import annotations

import secrets
import socket

from fraud_platform.adapters.kafka.broker_settings import free_port

__all__ = ["free_port", "is_listening", "quiet_port"]


def quiet_port() -> int:
    """Return a free port that no client is given as its own while the broker is away."""
    for port in range(20_000 + secrets.randbelow(5_000), 32_000):
        if not is_listening(port):
            return port
    raise AssertionError("no free port")


def is_listening(port: int) -> bool:
    """Return whether a server of this machine accepts connections at a port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0

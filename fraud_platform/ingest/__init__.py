"""Ingest: finding drops in the landing zone and copying them to the raw zone byte for byte.

Here: when a drop is complete, whether its content is new, resumable and verified copies.
Not here: storage clients (`fraud_platform.adapters.storage.zones`), the meaning of lines
(`fraud_platform.cleaning`), when a copy runs (`fraud_platform.defs`).
"""

from fraud_platform.ingest.arrivals import Complaint, DropArrival, LandingLook, observe_landing
from fraud_platform.ingest.copying import RawDrop, copy_drop, raw_drop

__all__ = [
    "Complaint",
    "DropArrival",
    "LandingLook",
    "RawDrop",
    "copy_drop",
    "observe_landing",
    "raw_drop",
]

"""Drops on their way in: seen in the landing zone, copied to the raw zone byte for byte.

Here: when a drop is complete, which content it is, how its copy survives an interruption.
Not here: storage clients (`fraud_platform.adapters.storage.zones`), what the lines mean
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

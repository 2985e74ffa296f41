"""What Dagster loads: `defs`, and nothing else.

Here: the one entry point of the code location.
Not here: any definition; those are in `fraud_platform.defs`.
"""

from fraud_platform.defs.assembly import defs

__all__ = ["defs"]

"""The folder that holds the jars which `make jars` fetched.

Here: its path.
Not here: temporary folders (`testing.temporary`).
"""

from __future__ import annotations

import os
from pathlib import Path

STATE = Path(os.environ.get("FRAUD_HOME", ".fraud_platform")).absolute()

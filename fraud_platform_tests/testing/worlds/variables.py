"""Settings from environment variables, and what is wrong with them.

Here: the lines of the error.
Not here: the variables (`fraud_platform.settings`).
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fraud_platform.errors import SettingsError
from fraud_platform.settings import Settings


def problems_of(load: Callable[..., Settings], **variables: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load(**variables)
    return [line[4:] for line in str(caught.value).splitlines() if line.startswith("  - ")]

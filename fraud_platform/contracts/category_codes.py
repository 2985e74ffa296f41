"""Codes of categories: an integer for each text, the same in every drop, message and declaration.

Here: the hash's key and width, and the code of one text.
Not here: codes of columns, and surrogates of keys (`rows.surrogates`).
"""

from __future__ import annotations

HASH_KEY = "fraud_platform_1"
"""16 bytes. A change of it changes every surrogate and code."""
CODE_BITS = 24
"""A float32 holds every integer below 2^24, so a code is exact as a feature."""
NO_CATEGORY = 0
"""The code of an empty field."""


def category_code(text: str) -> int:
    """Return the code of a text, from 1 to 2^24 - 1."""
    import numpy as np
    import pandas as pd

    values = np.array([text], dtype=object)
    hashed = pd.util.hash_array(values, hash_key=HASH_KEY, categorize=False)
    return int(hashed[0]) & ((1 << CODE_BITS) - 1) or 1

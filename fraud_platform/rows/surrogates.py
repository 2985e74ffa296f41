"""Integers in place of texts: surrogates of keys, codes of categories.

Here: both hashes.
Not here: reading the texts (`rows.declared`).

The hash is SipHash-2-4 (Aumasson and Bernstein, 2012) of the text's UTF-8 bytes under a fixed key,
as `pandas.util.hash_array` computes it. So batch and stream, and every process, give a text the
same integer without asking one another.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from fraud_platform.contracts.category_codes import CODE_BITS, HASH_KEY

Ints = npt.NDArray[np.int64]

_SURROGATE_MASK = np.uint64((1 << 63) - 1)
CHECK_KEY = "fraud_platform_2"
"""Of the second hash: 16 bytes."""
_CODE_MASK = np.uint64((1 << CODE_BITS) - 1)


def surrogates(texts: pl.Series, bits: int = 63) -> Ints:
    """Return a surrogate for each text, from 0 to 2^63 - 1; 0 for null.

    Args:
        texts: of type String, shape (n,).
        bits: fewer bits force texts to share a surrogate, for tests.
    """
    return _hashed(texts, np.uint64((1 << bits) - 1) & _SURROGATE_MASK)


def id_checks(texts: pl.Series) -> Ints:
    """Return a second hash of each text, from 1 to 2^63 - 1; 0 for null.

    Two texts with one surrogate differ in it, so that their rows are not taken for copies.
    """
    return np.maximum(_hashed(texts, _SURROGATE_MASK, CHECK_KEY), texts.is_not_null().to_numpy())


def category_codes(texts: pl.Series) -> Ints:
    """Return a code for each text, from 1 to 2^24 - 1; 0 for null.

    The code is a hash, so a value has the same code in every drop and message, known or not.
    """
    codes = _hashed(texts, _CODE_MASK)
    codes[(codes == 0) & texts.is_not_null().to_numpy()] = 1
    return codes


def _hashed(texts: pl.Series, mask: np.uint64, key: str = HASH_KEY) -> Ints:
    """Return the masked hash of each text; each distinct text is hashed once."""
    coded = texts.to_arrow().cast(pa.large_string()).dictionary_encode()
    values = coded.dictionary.to_numpy(zero_copy_only=False)
    hashes = pd.util.hash_array(values.astype(object), hash_key=key, categorize=False)
    of_values = (np.asarray(hashes, np.uint64) & mask).view(np.int64)
    places = pc.fill_null(coded.indices, len(values)).to_numpy(zero_copy_only=False)
    return np.append(of_values, np.int64(0))[places]

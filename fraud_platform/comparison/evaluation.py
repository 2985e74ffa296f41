"""The transactions of a test week that count in the Handbook's prequential protocol.

Here: the rule that excludes customers already known as compromised.
Not here: the dates of a knowledge date's week (`fraud_platform.contracts.time`), metrics
(`fraud_platform.comparison.metrics`).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fraud_platform.contracts.active import LABEL_DELAY_DAYS


def unknown_customers_mask(
    test_day: npt.ArrayLike,
    test_customer: npt.ArrayLike,
    fraud_day: npt.ArrayLike,
    fraud_customer: npt.ArrayLike,
    train_start_day: int,
    train_end_day: int,
    delay_days: int = LABEL_DELAY_DAYS,
) -> npt.NDArray[np.bool_]:
    """Return whether each test row stays: if no fraud of its customer is known on its day.

    Known on day t are the frauds of the training days and of the days up to t - delay_days - 1,
    as in `get_train_test_set` of the Handbook (chapter 5, "Validation strategies"): if the test
    begins delay_days after training ends, its d-th day excludes the customers defrauded up to
    d - 1 days after the end of training. As there, frauds before train_start_day are ignored.

    Args:
        test_day: each test row's day as an integer (any origin, the same for all), shape (n,).
        test_customer: each test row's customer, shape (n,).
        fraud_day: the day of every fraudulent transaction, shape (m,).
        fraud_customer: the customer of every fraudulent transaction, shape (m,).
        train_start_day: the first training day.
        train_end_day: the first day after the training days.
        delay_days: the label delay.

    Returns:
        Boolean, shape (n,).
    """
    days, customers = np.asarray(test_day, dtype=np.int64), np.asarray(test_customer)
    fraud_days, defrauded = np.asarray(fraud_day, dtype=np.int64), np.asarray(fraud_customer)
    since_start = fraud_days >= train_start_day
    ids, at = np.unique(defrauded[since_start], return_inverse=True)
    if len(ids) == 0:
        return np.ones(len(days), dtype=bool)
    first_fraud = np.full(len(ids), np.iinfo(np.int64).max)
    np.minimum.at(first_fraud, at, fraud_days[since_start])
    known_until = np.maximum(train_end_day, days - delay_days)
    position = np.minimum(np.searchsorted(ids, customers), len(ids) - 1)
    is_known = (ids[position] == customers) & (first_fraud[position] < known_until)
    return ~is_known

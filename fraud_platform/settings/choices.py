"""Values that settings may have because a higher package declares them.

Here: `Choices`, and the check of one value while settings are validated.
Not here: the declarations (`fraud_platform.training.estimators`), collecting them
(`fraud_platform.operations.choices`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True)
class Choices:
    """The names that are declared.

    Attributes:
        estimators: values of FRAUD_ESTIMATOR.
    """

    estimators: tuple[str, ...]


_CHOICES: ContextVar[Choices | None] = ContextVar("choices", default=None)


@contextmanager
def checked_against(choices: Choices | None) -> Iterator[None]:
    """Check the settings that are made in this block against declared names; None: do not."""
    token = _CHOICES.set(choices)
    try:
        yield
    finally:
        _CHOICES.reset(token)


def require_estimator(name: str) -> str:
    """Return the name of an estimator.

    Raises:
        ValueError: no estimator with this name is declared.
    """
    choices = _CHOICES.get()
    if choices is not None and name not in choices.estimators:
        raise ValueError(f"expected {' or '.join(choices.estimators)}, found {name!r}")
    return name

"""Values that settings may have because a higher package declares them.

Here: `Choices`, and the check of one value while settings are validated.
Not here: the declarations (`fraud_platform.training.estimators`,
`fraud_platform.adapters.storage.schemes`), collecting them (`fraud_platform.operations.choices`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True)
class UrlForm:
    """A scheme: its name, how a URL looks, and other schemes that people write for it."""

    name: str
    form: str
    misspelt: tuple[str, ...] = ()


@dataclass(frozen=True)
class Choices:
    """The names that are declared.

    Attributes:
        estimators: values of FRAUD_ESTIMATOR.
        schemes: schemes of the URLs of zones, lake and artifacts: those on which the commits of
            tables exclude each other.
    """

    estimators: tuple[str, ...]
    schemes: tuple[UrlForm, ...]


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


def require_scheme(url: str) -> str:
    """Return the scheme of a URL.

    Raises:
        ValueError: the scheme is not declared.
    """
    scheme, choices = url.partition("://")[0], _CHOICES.get()
    if choices is None or scheme in {declared.name for declared in choices.schemes}:
        return scheme
    *forms, last = (declared.form for declared in choices.schemes)
    meant = [f" (write {d.name}://)" for d in choices.schemes if scheme in d.misspelt]
    raise ValueError(
        f"expected {', '.join(forms)} or {last}, found {scheme}://{''.join(meant)}; with other "
        "schemes, concurrent writers could lose a commit"
    )

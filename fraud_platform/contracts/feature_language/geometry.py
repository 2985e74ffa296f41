"""Distances on the earth that have the same bits on every machine.

Here: `kilometres`, and the sine, cosine and arc sine that it needs, as series.
Not here: formulas (`contracts.feature_language.expressions`).

The C library's sine may differ between machines and between the loops of one machine. Additions,
multiplications, divisions and square roots do not: IEEE 754 rounds them correctly.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

EARTH_RADIUS_KM = 6371.0088
"""Mean radius of the earth (IUGG)."""
_PI = 3.141592653589793
_SINE_TERMS = 16
_ARC_SINE_TERMS = 24
"""Terms after which the rest is below one unit in the last place, for the ranges used here."""


def kilometres(lat_a: Any, long_a: Any, lat_b: Any, long_b: Any) -> Floats:
    """Return the great-circle distance of two positions by the haversine formula.

    Args:
        lat_a, long_a, lat_b, long_b: degrees; values beyond a full turn are taken as such.
    """
    half_lat = _sine(_radians(_float(lat_b) - _float(lat_a)) / 2)
    half_long = _sine(_radians(_float(long_b) - _float(long_a)) / 2)
    cosines = _cosine(_radians(lat_a)) * _cosine(_radians(lat_b))
    square = half_lat * half_lat + cosines * (half_long * half_long)
    square = np.clip(square, 0.0, 1.0)
    # the arc sine is inaccurate near 1, so the far half is measured from the antipode
    is_near = square <= 0.5
    angle = 2.0 * _arc_sine(np.sqrt(np.where(is_near, square, 1.0 - square)))
    return EARTH_RADIUS_KM * np.where(is_near, angle, _PI - angle)


def _float(values: Any) -> Floats:
    return np.asarray(values, dtype=np.float64)


def _radians(degrees: Any) -> Floats:
    """Return degrees as radians from -pi to pi."""
    turned = _float(degrees)
    turned = turned - 360.0 * np.rint(turned / 360.0)
    return turned * (_PI / 180.0)


def _sine(angle: Floats) -> Floats:
    """Return the sine of angles from -pi to pi, by its Taylor series."""
    square = angle * angle
    total = np.ones_like(square)
    for n in range(_SINE_TERMS, 0, -1):
        total = 1.0 - total * square / (2 * n * (2 * n + 1))
    return angle * total


def _cosine(angle: Floats) -> Floats:
    """Return the cosine of angles from -pi to pi, by its Taylor series."""
    square = angle * angle
    total = np.ones_like(square)
    for n in range(_SINE_TERMS, 0, -1):
        total = 1.0 - total * square / (2 * n * (2 * n - 1))
    return total


def _arc_sine(values: Floats) -> Floats:
    """Return the arc sine of values from 0 to the square root of 1/2."""
    is_small = values <= 0.5
    reduced = np.where(is_small, values, np.sqrt((1.0 - values) / 2.0))
    square = reduced * reduced
    total = np.ones_like(square)
    for n in range(_ARC_SINE_TERMS, 0, -1):
        # the factor of consecutive terms of the Taylor series
        total = 1.0 + total * square * ((2 * n - 1) * (2 * n - 1)) / (2 * n * (2 * n + 1))
    series = reduced * total
    return np.where(is_small, series, _PI / 2 - 2.0 * series)

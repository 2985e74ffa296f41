"""Distances against the standard library's functions and known cities."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fraud_platform.contracts.feature_language.geometry import EARTH_RADIUS_KM, kilometres

METRE = 0.001


def by_vectors(lat_a: float, long_a: float, lat_b: float, long_b: float) -> float:
    """Return the distance by the arc tangent of cross and dot product, exact at any distance."""
    a, b = (
        np.array([math.cos(p) * math.cos(m), math.cos(p) * math.sin(m), math.sin(p)])
        for p, m in (
            (math.radians(lat_a), math.radians(long_a)),
            (math.radians(lat_b), math.radians(long_b)),
        )
    )
    return EARTH_RADIUS_KM * math.atan2(float(np.linalg.norm(np.cross(a, b))), float(a @ b))


def positions() -> tuple[np.ndarray, ...]:
    """Return positions everywhere, near each other, and at the antipodes of each other."""
    random = np.random.default_rng(5)
    lat, other = random.uniform(-90, 90, (2, 3_000))
    long, far = random.uniform(-180, 180, (2, 3_000))
    other[:1_000], far[:1_000] = lat[:1_000] + 1e-4, long[:1_000] - 1e-4
    other[1_000:2_000], far[1_000:2_000] = -lat[1_000:2_000], long[1_000:2_000] + 180.001
    return lat, long, other, far


def test_distances_are_right_to_a_metre() -> None:
    lat, long, other, far = positions()
    expected = [by_vectors(*map(float, row)) for row in zip(lat, long, other, far, strict=True)]
    assert np.abs(kilometres(lat, long, other, far) - expected).max() < METRE


def test_known_distances() -> None:
    paris, new_york = (48.8566, 2.3522), (40.7128, -74.0060)
    assert kilometres(*paris, *new_york) == pytest.approx(5837.2, abs=1)
    assert kilometres(*paris, *paris) == 0
    assert kilometres(0, 0, 0, 180) == pytest.approx(math.pi * EARTH_RADIUS_KM, abs=METRE)


def test_a_row_has_the_same_bits_alone_and_among_others_in_any_order() -> None:
    columns = positions()
    together = kilometres(*columns)
    order = np.random.default_rng(6).permutation(together.size)
    assert kilometres(*(c[order] for c in columns)).tobytes() == together[order].tobytes()
    for row in range(0, together.size, 97):
        assert kilometres(*(c[row] for c in columns)).tobytes() == together[row].tobytes()


def test_senseless_positions_give_a_number() -> None:
    assert np.isfinite(kilometres(np.array([1e9, -777.0, 90.0]), 1e7, -1e9, 540.5)).all()

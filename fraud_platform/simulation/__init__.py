"""Simulated drops in the contract's format, with known dirt and the truth about it.

Here: the Fraud Detection Handbook's transaction simulator, vectorised (`population`, `days`), the
text of a drop (`lines`), the dirt and its truth (`dirt`, `defects`, `truth`), and the writing of
whole drops (`drops`). `SimulationConfig` and `simulate_drops` are the way in.
Not here: reading or cleaning a drop (`fraud_platform.ingest`, `fraud_platform.cleaning`), or the
command line (`fraud_platform.cli`).
"""

from fraud_platform.simulation.config import DirtRates, DropLayout, SimulationConfig
from fraud_platform.simulation.drops import SimulatedDrop, simulate_drops

__all__ = ["DirtRates", "DropLayout", "SimulatedDrop", "SimulationConfig", "simulate_drops"]

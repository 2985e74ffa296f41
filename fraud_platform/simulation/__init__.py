"""Simulated drops in the contract's format, with injected dirt and the expected cleaning result.

Here: the Fraud Detection Handbook's transaction simulator, vectorised (`population`, `days`), the
text of a drop (`lines`), the injected dirt (`dirt`, `dirty_rows`, `defects`) and its expected
outcome (`truth`), the writing of whole drops (`drops`, `files`), series of them (`series`), and
live messages (`stream`). Start from `SimulationConfig` and `simulate_drops`.
Not here: reading or cleaning a drop (`fraud_platform.ingest`, `fraud_platform.cleaning`), or the
command line (`fraud_platform.cli.commands`).
"""

from fraud_platform.simulation.config import DirtRates, DropLayout, SimulationConfig
from fraud_platform.simulation.drops import SimulatedDrop, simulate_drops

__all__ = ["DirtRates", "DropLayout", "SimulatedDrop", "SimulationConfig", "simulate_drops"]

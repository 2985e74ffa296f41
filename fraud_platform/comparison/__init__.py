"""Candidate against champion on the same out-of-time rows.

Here: the test rows of a prequential split, metrics, the paired clustered bootstrap, the gate, the
verdict, its table and its forest plot.
Not here: training (`fraud_platform.training`), moving the alias (`fraud_platform.promotion`).
"""

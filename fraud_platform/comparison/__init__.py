"""Comparison of a candidate with the champion on the same out-of-time rows (the A/B test).

Here: the test rows of a prequential split, metrics, the paired clustered bootstrap, the gate, the
verdict, the report table and the forest plot.
Not here: training (`fraud_platform.training`), moving the alias (`fraud_platform.promotion`).
"""

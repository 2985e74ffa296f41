"""Use cases: what the platform does with stages and adapters, without Dagster.

Here: one module or package for each use case.
Not here: assets, sensors and pages (`fraud_platform.defs`), the rules (the stages).
"""

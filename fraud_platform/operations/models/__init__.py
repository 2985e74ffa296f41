"""Use cases of models: a week's candidate, decisions, the champion, reproduction.

Here: one module for each use case.
Not here: statistics (`fraud_platform.comparison`), rules of promotion (`fraud_platform.promotion`).
"""

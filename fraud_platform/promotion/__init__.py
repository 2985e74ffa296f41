"""Promotion: which model is champion, since when, and why.

Here: the promotion history as values, the decision on a verdict, guardrails, approval, rollback.
Not here: the verdict (`fraud_platform.comparison`), storing the history and moving the alias
(`fraud_platform.defs`).
"""

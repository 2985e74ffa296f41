"""Monitoring: what is seen after the score.

Here: where a drop that landed later contradicts the scored stream.
Not here: scoring itself (`fraud_platform.scoring`), plots of a run (`fraud_platform.reporting`).
"""

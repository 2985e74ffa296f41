"""Monitoring: checks of scored rows after later data arrives.

Here: differences between the scored stream and drops that landed later.
Not here: scoring itself (`fraud_platform.scoring`), plots of a run (`fraud_platform.reporting`).
"""

"""Features of transactions as they arrive.

Here: the live state and the past events of customers.
Not here: the arithmetic (`fraud_platform.features.compute`), labels and stream time
(`fraud_platform.scoring.state`).
"""

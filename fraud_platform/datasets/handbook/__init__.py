"""The simulated card transactions of the Fraud Detection Handbook.

Here: its declared features, and the posterior features derived from its published fraud scenarios.
Not here: the language of declarations (`fraud_platform.contracts.feature_language`), simulation
(`fraud_platform.simulation`).
"""

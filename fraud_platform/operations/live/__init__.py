"""Use cases of the live half: planning, scoring, following, producing, stream time.

Here: one module for each use case.
Not here: the rules of scoring (`fraud_platform.scoring`), Kafka's clients
(`fraud_platform.adapters.kafka`).
"""

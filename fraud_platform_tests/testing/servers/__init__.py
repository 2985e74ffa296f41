"""Real servers that tests start and stop: storage, databases, brokers, clusters.

Here: starting a server on 127.0.0.1, its addresses and its end.
Not here: what runs against it (`fraud_platform_tests.testing.worlds`).
"""

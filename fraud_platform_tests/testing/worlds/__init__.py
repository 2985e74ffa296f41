"""Small worlds that tests run in: a platform with its data, stream, models and clients.

Here: building a world, and the handles on it.
Not here: what its results must be (`fraud_platform_tests.oracles`), servers
(`fraud_platform_tests.testing.servers`).
"""

"""The processes that run the platform, on a laptop and on a server.

Here: starting, watching and stopping them, Dagster's home folder, a database's answer.
Not here: what they run (`fraud_platform.definitions`), the units (`deploy/`).
"""

"""The processes of the platform, on a laptop and on a server.

Here: starting, monitoring and stopping them, Dagster's home folder, checking a Postgres database.
Not here: what Dagster loads (`fraud_platform.definitions`), the systemd units (`deploy/`).
"""

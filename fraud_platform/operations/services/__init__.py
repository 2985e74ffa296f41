"""The processes of the platform on a laptop and on a server.

Here: starting and stopping them, Dagster's home folder, links between their pages.
Not here: single processes and databases (`fraud_platform.adapters.services`).
"""

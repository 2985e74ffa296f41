"""Commands that use Dagster.

Here: runs started by a command, due runs executed in this process, decisions on the live half.
Not here: the commands' names and options (`fraud_platform.cli`), requests by sensors
(`fraud_platform.defs.automation`).
"""

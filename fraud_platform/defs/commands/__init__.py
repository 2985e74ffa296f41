"""What a person asks of Dagster from the command line.

Here: runs started by a command, due runs executed in this process, decisions on the live half.
Not here: the commands' words and options (`fraud_platform.cli`), requests by sensors
(`fraud_platform.defs.automation`).
"""

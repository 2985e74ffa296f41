"""The command line of the platform.

Here: the commands of `fraud-platform` and their options.
Not here: what a command does (`fraud_platform.operations`, `fraud_platform.defs.commands`).
"""

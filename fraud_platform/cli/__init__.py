"""The command line: words to calls.

Here: the commands of `fraud-platform` and their options.
Not here: what a command does (`fraud_platform.operations`, `fraud_platform.defs.commands`).
"""

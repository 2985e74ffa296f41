"""The rules for one row, shared by drops and messages.

Here: the fast parser, the readable rules for a single line, explanations, the JSON of messages.
Not here: duplicates and files of a drop (`fraud_platform.cleaning`), whole messages
(`fraud_platform.scoring.messages`).
"""

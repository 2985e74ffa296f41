"""The data contract as code: drop format, reasons, tables, time.

Here: names, units, grammars, schemas, defaults that more than one stage uses.
Not here: code that reads or writes data (stages and `adapters`), or settings that an operator
changes (`fraud_platform.settings`).
"""

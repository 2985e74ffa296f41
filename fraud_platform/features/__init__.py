"""Features: hourly integer tiles, the one declaration, its numpy kernel and its Spark engine.

Here: `expressions` and `terms` (what a formula is made of), `measures` (what tiles sum),
`declaration` (every feature, once), `windows` and `kernel` (numpy, shared by every engine),
`tiles` and `engine` (Spark DataFrames in and out), `materialize` (days of the lake).
Not here: the tables' contracts (`contracts.feature_tables`), which features a model takes
(`training`), Dagster assets (`defs`).
"""

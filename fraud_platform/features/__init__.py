"""Features: their declaration, the numpy kernel, the Spark batch engine and the live state.

Here: the parts of a formula (`expressions`, `terms`), the types of a declaration (`declarables`),
every feature once (`declaration`, `posterior`), the kernel that all engines share (`kernel`,
`formulas`, `windows`, `ordering`, `tiles`), the batch engine (`engine`, `tasks`, `terminals`,
`customers`), writing days to the lake (`materialize`), and the state that scores single
transactions (`live`, `events`).
Not here: the tables' contracts (`contracts.feature_tables`), training (`training`), Dagster assets
(`defs`).
"""

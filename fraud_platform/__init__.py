"""Card-fraud data platform: drops and live transactions to decisions, as Dagster assets.

The folders are the rooms: `contracts` says what data looks like, the stage packages (`ingest`,
`cleaning`, `features`, `training`, `comparison`, `promotion`, `simulation`, `reporting`) hold the
domain, `adapters` the outside world, `defs` Dagster.
"""

__version__ = "0.1.0"

"""Card-fraud data platform: drops and live transactions to decisions, as Dagster assets.

`contracts` defines what data looks like. The stage packages (`ingest`, `cleaning`, `features`,
`training`, `comparison`, `promotion`, `scoring`, `simulation`, `reporting`) hold the domain.
`adapters` connects to other systems, `settings` holds what an operator may change, and `defs` holds
the Dagster definitions. `docs/architecture.md` shows how data flows through them.
"""

__version__ = "0.1.0"

"""Card-fraud data platform: drops and live transactions to decisions, as Dagster assets.

`contracts` defines what data looks like. The stage packages (`ingest`, `cleaning`, `features`,
`training`, `comparison`, `promotion`, `scoring`, `simulation`, `reporting`) hold the domain.
`adapters` connects to other systems, `settings` holds what an operator may change, and `defs` holds
the Dagster definitions. `docs/architecture.md` shows how data flows through them.
"""

import os

# Let OpenMP's waiting threads sleep. By default they spin, which takes seven times the CPU time of
# a training where cores are shared. OpenMP reads this once, when the first of scikit-learn, XGBoost
# and the others loads it, so the variable is set before any of them.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

__version__ = "0.1.0"

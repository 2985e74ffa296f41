"""The live half's tables: plans, scored rows, dead letters, labels from the topic, the state.

Here: one `TableContract` a table, and the names under which commits are numbered.
Not here: how rows are made (`fraud_platform.scoring`), topics (`contracts.messages`).
"""

from __future__ import annotations

from fraud_platform.contracts.active import DECLARATION
from fraud_platform.contracts.tables import FACTS, KEY_TEXTS, Column, TableContract

SCORING, PLANS, LANDING = "scoring", "plans", "labels"
"""Applications whose commits carry one global sequence of numbers each."""

INFERENCE_PLANS = TableContract(
    name="inference_plans",
    description="What a scoring run is to do, written before the run is asked for, never changed.",
    columns=(
        Column("plan", "long", "1, 2, .. in the order of planning."),
        Column("topic", "string", "The topic to read."),
        Column("topic_id", "string", "Kafka's own id of it: another one after a re-creation."),
        Column("ranges", "string", "JSON: partition to [first offset, offset behind the last]."),
        Column("model_version", "long", "The champion when it was planned."),
        Column("state_version", "string", "The snapshot that the state starts from."),
        Column("planned_at", "timestamp", "When (UTC)."),
        Column("code_version", "string", "Of the platform that planned."),
    ),
    key=("plan",),
    keeps_versions=False,
    bounded=("plan",),
    unique_by=("plan",),
)

_SOURCE = (
    Column("source_partition", "int", "The message's partition."),
    Column("source_offset", "long", "The message's offset."),
    Column("micro_batch", "long", "Number of the commit, one global sequence."),
    Column("produced_at", "timestamp", "The message's own time (UTC)."),
)

SCORED = TableContract(
    name="scored",
    description="Every live transaction with the score it was given: once, whatever happened.",
    columns=(
        Column("transaction_id", "long", "The transaction."),
        Column("tx_datetime", "timestamp", "When the card was used (UTC)."),
        Column("customer_id", "long", "The card's holder."),
        Column("terminal_id", "long", "Where the card was used."),
        Column("amount_cents", "long", "Amount in cents."),
        *KEY_TEXTS,
        *FACTS,
        *_SOURCE,
        *(Column(flag.name, "int", flag.description) for flag in DECLARATION.flags),
        *(Column(f.name, "float", f.description) for f in DECLARATION.features),
        Column("fraud_probability", "double", "Calibrated probability of fraud."),
        Column("threshold", "double", "The model's alert threshold."),
        Column("is_alert", "boolean", "Probability at or above the threshold."),
        Column(
            "reasons",
            "array<string>",
            "Of alerts: the features that raised the log-odds most, by exact tree SHAP.",
            nullable=True,
        ),
        Column("model_name", "string", "Registered model."),
        Column("model_version", "long", "Its version."),
        Column("state_version", "string", "The snapshot that the state started from."),
        Column("is_late", "boolean", "A later transaction of the customer was scored before."),
        Column("scored_at", "timestamp", "When (UTC)."),
    ),
    key=("transaction_id",),
    keeps_versions=False,
    bounded=("transaction_id", "tx_datetime", "source_offset", "micro_batch"),
    unique_by=("micro_batch", "source_partition", "source_offset"),
)

SCORED_DAYS = TableContract(
    name="scored_days",
    description="Scored rows by day and model, of days for which hardly any row comes any more; "
    "the commits of `scored` carry the counts of later days.",
    columns=(
        Column("tx_date", "date", "The day (UTC)."),
        Column("model_version", "long", "The model that scored the rows."),
        Column("rows", "long", "Rows scored."),
        Column("alerts", "long", "Alerts among them."),
        Column("late", "long", "Rows among them that came late."),
        Column("micro_batches", "long", "Micro-batches whose earliest row is of this day."),
        Column("content", "long", "Exclusive or of the transaction ids."),
        Column("as_of", "long", "The last micro-batch counted; of a day's rows, the last counts."),
    ),
    key=("tx_date", "model_version", "as_of"),
    bounded=("tx_date", "as_of"),
)

DEAD_LETTERS = TableContract(
    name="dead_letters",
    description="Messages that are no valid transaction, byte for byte, with every reason.",
    columns=(
        Column("reason", "string", "The first reason that fits."),
        Column("reasons", "array<string>", "All reasons that fit, in order of precedence."),
        Column("detail", "string", "What was found wrong."),
        Column("message_key", "binary", "The key as received.", nullable=True),
        Column("message_value", "binary", "The value as received.", nullable=True),
        *_SOURCE,
        Column("failed_at", "timestamp", "When (UTC)."),
    ),
    key=("source_partition", "source_offset"),
    keeps_versions=False,
    bounded=("source_offset", "micro_batch"),
    unique_by=("micro_batch", "source_partition", "source_offset"),
)

RESCORED = TableContract(
    name="rescored",
    description="Past rows scored again with a named model, beside what was decided then.",
    columns=(
        Column("transaction_id", "long", "The transaction."),
        Column("micro_batch", "long", "The micro-batch that scored it."),
        Column("model_version", "long", "The model that scored it again."),
        Column("fraud_probability", "double", "Its probability of fraud."),
        Column("is_alert", "boolean", "Whether it would have alerted."),
        Column("decided_by_version", "long", "The model that decided."),
        Column("decided_probability", "double", "The probability that decided."),
        Column("decided_alert", "boolean", "Whether it alerted."),
    ),
    key=("transaction_id", "model_version"),
    bounded=("transaction_id", "micro_batch"),
)

TOPIC_LABELS = TableContract(
    name="topic_labels",
    description="Labels from the labels topic as they landed; a later known_at corrects.",
    columns=(
        Column("transaction_id", "long", "The labelled transaction."),
        Column("is_fraud", "boolean", "The label."),
        Column("fraud_scenario", "int", "0 genuine, 1 amount, 2 terminal, 3 customer."),
        Column("known_at", "timestamp", "When it became known (UTC)."),
        Column("source", "string", "`topic`."),
        Column("landed_at", "timestamp", "Stream time when it landed (UTC).", nullable=True),
        Column("landing", "long", "Number of the commit that it landed with."),
        Column("source_partition", "int", "The message's partition."),
        Column("source_offset", "long", "The message's offset."),
    ),
    key=("source_partition", "source_offset"),
    keeps_versions=False,
    bounded=("transaction_id", "known_at", "landing", "source_offset"),
    unique_by=("landing", "source_partition", "source_offset"),
)

STREAM_LABELS = TableContract(
    name="stream_labels",
    description="Labels from the topic of scored transactions that no drop holds yet, and those "
    "that correct a drop's.",
    columns=(
        Column("transaction_id", "long", "The labelled transaction."),
        Column("is_fraud", "boolean", "The label."),
        Column("fraud_scenario", "int", "0 genuine, 1 amount, 2 terminal, 3 customer."),
        Column("known_at", "timestamp", "When it became known (UTC)."),
        Column("counts_from", "timestamp", "First hour (UTC) in which features may use it."),
        Column("version", "int", "1, then one more for each correction of the same id."),
        Column("tx_date", "date", "Day of the labelled transaction."),
    ),
    key=("transaction_id", "version"),
    bounded=("transaction_id", "known_at", "counts_from", "tx_date"),
)

DEAD_LABELS = TableContract(
    name="dead_labels",
    description="Messages of the labels topic that are no valid label, byte for byte.",
    columns=(
        Column("detail", "string", "What was found wrong."),
        Column("message_key", "binary", "The key as received.", nullable=True),
        Column("message_value", "binary", "The value as received.", nullable=True),
        Column("landing", "long", "Number of the commit of the labels beside it."),
        Column("source_partition", "int", "The message's partition."),
        Column("source_offset", "long", "The message's offset."),
    ),
    key=("source_partition", "source_offset"),
    keeps_versions=False,
    bounded=("landing", "source_offset"),
    unique_by=("landing", "source_partition", "source_offset"),
)

DISAGREEMENT_KINDS = (
    "only_in_stream",
    "only_in_drop",
    "transaction",
    "features",
    "score",
    "label",
)
"""What may differ between the stream and a drop that came later: ids, and the parts of a row."""

STREAM_DISAGREEMENTS = TableContract(
    name="stream_disagreements",
    description="By day: where a drop that came later says something else than the stream did.",
    columns=(
        Column("tx_date", "date", "The day (UTC)."),
        Column("kind", "string", f"{', '.join(DISAGREEMENT_KINDS)}."),
        Column("rows", "long", "How many rows differ so."),
        Column("compared", "long", "Ids of that day that stream and drop both know."),
        Column("examples", "array<string>", "The first of them: id and columns, no values."),
        Column("inputs", "string", "What the day's features were built from."),
        Column("compared_at", "timestamp", "When (UTC)."),
    ),
    key=("tx_date", "kind"),
    bounded=("tx_date",),
)

STREAM_MARKS = 4
"""Numbers in the stream's row of a snapshot (`scoring.state.recovery.StreamMark`)."""

SCORING_STATE = TableContract(
    name="scoring_state",
    description="History up to a midnight, from which scoring starts: a checkpoint of the tiles.",
    columns=(
        Column("as_of", "date", "The midnight (UTC): days before it are in, later ones are not."),
        Column("part", "string", "A table of tiles, or stream: one row, how far the stream is in."),
        Column(
            "entity",
            "string",
            "Of label tiles: customer or terminal; of the stream: JSON, the measures' names.",
        ),
        Column("entity_id", "long", "The customer or terminal."),
        Column("terminal_id", "long", "Of customer tiles: the terminal visited, else 0."),
        Column("hour", "long", "Tile hour or event hour, hours since 1970."),
        Column("counts_from_hour", "long", "Of label tiles, else 0."),
        *(
            Column(f"v{i}", "long", f"Measure {i} of the part, in its table's order.")
            for i in range(max(STREAM_MARKS, *(len(tile.measures) for tile in DECLARATION.tiles)))
        ),
    ),
    key=("as_of", "part", "entity", "entity_id", "terminal_id", "hour", "counts_from_hour"),
    partition_by=("as_of", "part"),
)

OF_MANY_COMMITS = (INFERENCE_PLANS, SCORED, DEAD_LETTERS, TOPIC_LABELS, DEAD_LABELS)
"""Tables that get a small file every few seconds; scorers merge them on the way."""

"""The tables of comparison and promotion: columns, types, meaning, key, partitioning.

Here: `AB_REPORT` and `PROMOTION_HISTORY`.
Not here: how their rows are made (`fraud_platform.comparison.report`,
`fraud_platform.promotion.history`).
"""

from __future__ import annotations

from fraud_platform.contracts.tables import Column, TableContract

AB_REPORT = TableContract(
    name="ab_report",
    description=(
        "Candidate against champion, one row for each figure: a metric of one model, or the paired "
        "difference of a metric. The verdict stands on every row of its report."
    ),
    columns=(
        Column("knowledge_date", "date", "The week's key D."),
        Column("report_id", "string", "Knowledge date, candidate and champion versions."),
        Column(
            "kind", "string", "`model` for a model's own figure, `difference` for a paired one."
        ),
        Column(
            "subject",
            "string",
            "candidate, champion, never_fraud, amount_above, or candidate_less_ and the reference.",
        ),
        Column("subject_name", "string", "The same for people: model name and version."),
        Column("metric", "string", "The metric, as `comparison.inputs.Metric` names it."),
        Column("value", "double", "On the rows as they are.", nullable=True),
        Column("mean", "double", "Mean over resamples.", nullable=True),
        Column("standard_deviation", "double", "Over resamples.", nullable=True),
        Column("low", "double", "Lower bound of the reported interval.", nullable=True),
        Column("high", "double", "Upper bound of the reported interval.", nullable=True),
        Column("clustered_by", "string", "Whose interval is the wider one: customer or terminal."),
        Column("customer_low", "double", "Lower bound, clustered by customer.", nullable=True),
        Column("customer_high", "double", "Upper bound, clustered by customer.", nullable=True),
        Column("terminal_low", "double", "Lower bound, clustered by terminal.", nullable=True),
        Column("terminal_high", "double", "Upper bound, clustered by terminal.", nullable=True),
        Column("degrees_of_freedom", "double", "Of that standard deviation.", nullable=True),
        Column("z_score", "double", "Difference by its standard deviation.", nullable=True),
        Column("p_value", "double", "Two-sided, of z as Student's t.", nullable=True),
        Column("p_value_holm", "double", "Holm-adjusted over the tested metrics.", nullable=True),
        Column("gate_rule", "string", "superior or not_inferior, on gate lines.", nullable=True),
        Column("gate_margin", "double", "Tolerated loss in the metric's unit.", nullable=True),
        Column("gate_outcome", "string", "passed, open or refuted.", nullable=True),
        Column("threshold", "double", "The model's alert threshold.", nullable=True),
        Column("verdict", "string", "promote, keep or not_enough_evidence."),
        Column("verdict_reason", "string", "Why, in words."),
        Column("candidate_name", "string", "Registered model."),
        Column("candidate_version", "string", "Its version."),
        Column("champion_name", "string", "Registered model; null without one.", nullable=True),
        Column("champion_version", "string", "Its version.", nullable=True),
        Column(
            "candidate_sha256", "string", "Digest of the files that were tested.", nullable=True
        ),
        Column("champion_sha256", "string", "The same of the champion.", nullable=True),
        Column(
            "attainable_card_precision",
            "double",
            "Card precision of a model that knows the labels.",
            nullable=True,
        ),
        Column("cards_per_day", "int", "k of card precision.", nullable=True),
        Column("confidence_level", "double", "Of the two-sided intervals."),
        Column("resamples", "int", "Bootstrap resamples of each clustering."),
        Column("seed", "long", "Seed of the resamples."),
        Column("rows", "long", "Transactions compared."),
        Column("days", "int", "Days of them."),
        Column("frauds", "long", "Frauds among them."),
        Column("customers", "long", "Customers."),
        Column("defrauded_customers", "long", "Customers with a fraud."),
        Column("terminals", "long", "Terminals."),
    ),
    key=("knowledge_date", "subject", "metric"),
    partition_by=("knowledge_date",),
)

PROMOTION_HISTORY = TableContract(
    name="promotion_history",
    description=(
        "Every decision about the champion, appended before the alias moves. The champion is what "
        "the last row by (knowledge_date, sequence) says, so a decision on an older week never "
        "moves the alias."
    ),
    columns=(
        Column("sequence", "long", "1, 2, ... in the order of decision."),
        Column("knowledge_date", "date", "The week that the decision is about."),
        Column(
            "action",
            "string",
            "promoted, pending, kept, refused, superseded, approved, declined, rolled_back or "
            "restored (the champion was registered again under another version).",
        ),
        Column("model_name", "string", "Registered model."),
        Column("model_version", "string", "The version that the decision is about."),
        Column("champion_before", "string", "Champion before this week.", nullable=True),
        Column("champion_after", "string", "Champion after this decision.", nullable=True),
        Column("report_id", "string", "The A/B report that it rests on.", nullable=True),
        Column("verdict", "string", "That report's verdict.", nullable=True),
        Column("guardrail", "string", "The guardrail that refused, by name.", nullable=True),
        Column("reason", "string", "Why, in words."),
        Column("decided_by", "string", "Who or what decided."),
        Column("decided_at", "timestamp", "When (UTC)."),
        Column(
            "model_sha256", "string", "Digest of the model's files: its identity.", nullable=True
        ),
        Column(
            "model_record",
            "string",
            "JSON: run and tags, by which a lost version is registered again.",
            nullable=True,
        ),
    ),
    key=("sequence",),
)

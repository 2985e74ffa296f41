"""The tables of comparison and promotion: columns, types, meaning, key, partitioning.

Here: `AB_REPORT` and `PROMOTION_HISTORY`.
Not here: creating their rows (`fraud_platform.comparison.report`,
`fraud_platform.promotion.history`).
"""

from __future__ import annotations

from fraud_platform.contracts.tables import Column, TableContract

AB_REPORT = TableContract(
    name="ab_report",
    description=(
        "Comparison of candidate and champion: one row for each metric of a model and for each "
        "paired difference. The verdict is repeated in every row of its report."
    ),
    columns=(
        Column("knowledge_date", "date", "The week's key D."),
        Column("report_id", "string", "Knowledge date, candidate and champion versions."),
        Column(
            "kind", "string", "`model` for a model's metric, `difference` for a paired difference."
        ),
        Column(
            "subject",
            "string",
            "candidate, champion, never_fraud, amount_above, or candidate_less_ and the reference.",
        ),
        Column("subject_name", "string", "Display name: model name and version."),
        Column("metric", "string", "The metric, a value of `comparison.metrics.Metric`."),
        Column("value", "double", "Value on the original rows.", nullable=True),
        Column("mean", "double", "Mean over resamples.", nullable=True),
        Column("standard_deviation", "double", "Standard deviation over resamples.", nullable=True),
        Column("low", "double", "Lower bound of the reported interval.", nullable=True),
        Column("high", "double", "Upper bound of the reported interval.", nullable=True),
        Column("clustered_by", "string", "Clustering with the wider interval."),
        Column("customer_low", "double", "Lower bound, clustered by customer.", nullable=True),
        Column("customer_high", "double", "Upper bound, clustered by customer.", nullable=True),
        Column("terminal_low", "double", "Lower bound, clustered by terminal.", nullable=True),
        Column("terminal_high", "double", "Upper bound, clustered by terminal.", nullable=True),
        Column(
            "degrees_of_freedom",
            "double",
            "Degrees of freedom of the standard deviation.",
            nullable=True,
        ),
        Column("z_score", "double", "Difference / standard deviation.", nullable=True),
        Column("p_value", "double", "Two-sided p-value under Student's t.", nullable=True),
        Column("p_value_holm", "double", "Holm-adjusted over the tested metrics.", nullable=True),
        Column("gate_rule", "string", "superior or not_inferior, on gate lines.", nullable=True),
        Column("gate_margin", "double", "Tolerated loss in the metric's unit.", nullable=True),
        Column("gate_outcome", "string", "passed, open or refuted.", nullable=True),
        Column("threshold", "double", "The model's alert threshold.", nullable=True),
        Column("verdict", "string", "promote, keep or not_enough_evidence."),
        Column("verdict_reason", "string", "Reason for the verdict."),
        Column("candidate_name", "string", "Name of the registered model."),
        Column("candidate_version", "string", "Version of the candidate."),
        Column("champion_name", "string", "Name of the registered model, or null.", nullable=True),
        Column("champion_version", "string", "Version of the champion, or null.", nullable=True),
        Column(
            "candidate_sha256",
            "string",
            "Digest of the candidate's files that were tested.",
            nullable=True,
        ),
        Column(
            "champion_sha256",
            "string",
            "Digest of the champion's files that were tested.",
            nullable=True,
        ),
        Column(
            "attainable_card_precision",
            "double",
            "Card precision of a model that knows the labels.",
            nullable=True,
        ),
        Column("cards_per_day", "int", "k of card precision.", nullable=True),
        Column("confidence_level", "double", "Level of the two-sided intervals."),
        Column("resamples", "int", "Number of bootstrap resamples of each clustering."),
        Column("seed", "long", "Seed of the resamples."),
        Column("rows", "long", "Number of transactions."),
        Column("days", "int", "Number of days."),
        Column("frauds", "long", "Number of frauds."),
        Column("customers", "long", "Number of customers."),
        Column("defrauded_customers", "long", "Number of customers with a fraud."),
        Column("terminals", "long", "Number of terminals."),
    ),
    key=("knowledge_date", "subject", "metric"),
    partition_by=("knowledge_date",),
)

PROMOTION_HISTORY = TableContract(
    name="promotion_history",
    description=(
        "Every decision about the champion, appended before the alias moves. The last row by "
        "(knowledge_date, sequence) determines the champion, so a decision on an older week never "
        "moves the alias."
    ),
    columns=(
        Column("sequence", "long", "1, 2, ... in the order of decisions."),
        Column("knowledge_date", "date", "The week that the decision concerns."),
        Column(
            "action",
            "string",
            "promoted, pending, kept, refused, superseded, approved, declined, rolled_back or "
            "restored (the champion was registered again under another version).",
        ),
        Column("model_name", "string", "Name of the registered model."),
        Column("model_version", "string", "The version that the decision concerns."),
        Column("champion_before", "string", "Champion before this week.", nullable=True),
        Column("champion_after", "string", "Champion after this decision.", nullable=True),
        Column("report_id", "string", "The A/B report of the decision.", nullable=True),
        Column("verdict", "string", "Verdict of that report.", nullable=True),
        Column("guardrail", "string", "Name of the guardrail that refused.", nullable=True),
        Column("reason", "string", "Reason for the decision."),
        Column("decided_by", "string", "The person or process that decided."),
        Column("decided_at", "timestamp", "Time of the decision (UTC)."),
        Column(
            "model_sha256", "string", "Digest of the model's files: its identity.", nullable=True
        ),
        Column(
            "model_record",
            "string",
            "JSON: run and tags with which a lost version can be registered again.",
            nullable=True,
        ),
    ),
    key=("sequence",),
)

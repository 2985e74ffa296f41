"""When each quarantine reason fits, in words about the columns of this process's data set.

Here: `REASON_DESCRIPTIONS`, and the names of all reasons, the data set's own among them.
Not here: the reasons (`contracts.quarantine_reasons`), the conditions (`rows.judge`,
`rows.declared`).
"""

from __future__ import annotations

from fraud_platform.contracts.active import DATA_SET
from fraud_platform.contracts.data_set import DataSet, SourceSpec
from fraud_platform.contracts.drops import FIRST_YEAR, LAST_YEAR, MAX_AMOUNT_CENTS
from fraud_platform.contracts.quarantine_reasons import Reason

_HANDBOOK: dict[Reason, str] = {
    Reason.MALFORMED_ROW: (
        "not 9 fields, not UTF-8, a non-empty field outside its grammar, or no transaction_id"
    ),
    Reason.BAD_TIMESTAMP: "tx_datetime is not a real `YYYY-MM-DD HH:MM:SS` of the years 2000-2099",
    Reason.UNKNOWN_CUSTOMER: "customer_id is -999999, negative or empty",
    Reason.UNKNOWN_TERMINAL: "terminal_id is negative or empty (0 is a terminal)",
    Reason.NON_POSITIVE_AMOUNT: "tx_amount is empty, <= 0, NaN, infinite or above 9,999,999.99",
    Reason.BAD_LABEL: "tx_fraud or its scenario is out of range, or the two disagree",
    Reason.BAD_VALUE: "a declared number is missing, no number, or too large",
    Reason.TIME_OUTSIDE_DROP: (
        "tx_datetime lies outside of the drop's own days: a month and more from those that two "
        "thirds of its rows agree on, or after the drop arrived"
    ),
    Reason.DUPLICATE_ID: "a copy of the kept row with this id, equal in its six contents",
    Reason.CONFLICTING_DUPLICATE_ID: "the id of a kept row with other contents",
    Reason.ID_COLLISION: "another id, of text, that has the same surrogate as a kept row's",
}
_ROWS = {
    "text": "a wrong number of fields",
    "csv": "a wrong number of fields or misplaced quotes",
    "json_lines": "no JSON object, a name given twice or a nested value",
    "parquet": "a nested value",
}


def describe_reasons(source: SourceSpec) -> dict[Reason, str]:
    """Return when each reason fits a row of a source."""
    money, booked = source.amount, source.booked
    when = " and ".join(booked.columns)
    form = f"a number of {booked.epoch} since 1970" if booked.epoch else f"`{booked.format}`"
    most = f"{MAX_AMOUNT_CENTS / 10**money.digits:,.{money.digits}f} {money.currency}"
    sign = "empty" if money.refunds else "empty, <= 0"
    return _HANDBOOK | {
        Reason.MALFORMED_ROW: (
            f"{_ROWS[source.drops.kind]}, not UTF-8, a non-empty field that is no key, amount or "
            f"label, or no {source.transaction_id.column}"
        ),
        Reason.BAD_TIMESTAMP: (
            f"{when} is not {form}, or of other years than {FIRST_YEAR}-{LAST_YEAR}"
        ),
        Reason.UNKNOWN_CUSTOMER: _unknown(source.customer.column, source.customer.is_text),
        Reason.UNKNOWN_TERMINAL: _unknown(source.counterparty.column, source.counterparty.is_text),
        Reason.NON_POSITIVE_AMOUNT: f"{money.column} is {sign}, NaN, infinite or above {most}",
        Reason.BAD_LABEL: f"{' or '.join(source.label_columns)} is out of range, or empty",
        Reason.TIME_OUTSIDE_DROP: _HANDBOOK[Reason.TIME_OUTSIDE_DROP].replace("tx_datetime", when),
        Reason.DUPLICATE_ID: "a copy of the kept row with this id, equal in its contents",
    }


def _unknown(column: str, is_text: bool) -> str:
    return f"{column} is empty" if is_text else f"{column} is negative or empty"


def words_of_reasons(data_set: DataSet) -> dict[str, str]:
    """Return when each reason of a data set fits, its own reasons after the others."""
    shared = _HANDBOOK if data_set.fits_fast_parser else describe_reasons(data_set.source)
    own = {rule.name: f"{rule.condition}, by REJECT" for rule in data_set.source.rules}
    return {str(reason): words for reason, words in shared.items()} | own


REASON_DESCRIPTIONS = words_of_reasons(DATA_SET)
"""When each reason of this process's data set fits."""
REASON_NAMES = tuple(str(name) for name in REASON_DESCRIPTIONS)
"""All reasons of this process's data set, in order of precedence."""

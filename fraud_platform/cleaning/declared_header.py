"""The first line of a drop of a declared source, or the names of its first JSON objects.

Here: finding the declared columns, and errors that name those that are missing or repeated.
Not here: the header of the Handbook's drops (`cleaning.header`), the rows
(`cleaning.declared_blocks`).

Columns may stand in any order, and a file may have further ones. A name must be spelled as it is
declared: two names that differ in case can be two columns.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from fraud_platform.cleaning.header import (
    COLUMN_NAME,
    HEADER_LIMIT_BYTES,
    Header,
    find_header_line,
    kinds_of_fields,
)
from fraud_platform.contracts.data_set import SourceSpec
from fraud_platform.errors import DropHeaderError
from fraud_platform.rows.formats import split_quoted
from fraud_platform.rows.json_lines import count_names

_REMEDY = "Fix the file or the declaration, or move the file to rejected/."
_MOST_NAMED = 20


def read_declared_header(head: bytes, file_name: str, source: SourceSpec) -> Header:
    """Check the beginning of a drop's text against its declaration.

    Args:
        head: the first `HEADER_LIMIT_BYTES` bytes of the text, or all of it if it is shorter.
        file_name: name of the drop's file, for errors.
        source: the declared columns.

    Raises:
        DropUnreadableError: the text is empty.
        DropHeaderError: a declared column is missing or given twice, or the text is another format.
    """
    if source.drops.kind in ("json_lines", "parquet"):
        return _json_header(head, file_name, source)
    expected = f"the columns {', '.join(source.columns)} in the first line"
    line, position, blank_lines = find_header_line(head, file_name, expected, _REMEDY)
    names = _names_in(line, source)
    if source.drops.header == "commented":
        problems = _order_problems(names, source.drops.names)
    else:
        problems = _problems(names, source.columns)
    if problems:
        listed = problems[:_MOST_NAMED]
        if len(problems) > len(listed):
            listed.append(f"and {len(problems) - len(listed):,} more")
        raise DropHeaderError(
            f"{file_name}: expected {expected}, divided by {source.drops.delimiter!r}, found "
            f"{len(names)}: {'; '.join(listed)}. {_REMEDY}"
        )
    return Header(position, blank_lines, names)


def missing_columns(names: Sequence[str], source: SourceSpec) -> list[str]:
    """Return the columns without which no row is valid, and that are not among the names."""
    optional = {
        fact.column for fact in source.facts if fact.kind == "category" or fact.missing is not None
    }
    return [name for name in source.columns if name not in names and name not in optional]


def _names_in(line: bytes, source: SourceSpec) -> tuple[str, ...]:
    drops = source.drops
    text = line.decode("utf-8", errors="replace").strip(" ")
    if drops.header == "commented":
        text = text.removeprefix("#")
        divider = "|" if "|" in text else drops.delimiter
        return tuple(name.strip(" ") for name in text.split(divider))
    is_csv, delimiter = drops.kind == "csv", drops.delimiter
    fields = split_quoted(text, delimiter) if is_csv else text.split(delimiter)
    return tuple(name.strip(" ") for name in fields)


def _problems(names: Sequence[str], columns: Sequence[str]) -> list[str]:
    """Return one sentence for each declared column that is missing or repeated."""
    counts = Counter(names)
    missing = [name for name in columns if name not in counts]
    if len(missing) == len(columns):
        # do not show the line: without a header it is a customer's transaction
        return [f"the header is missing, the first line holds {kinds_of_fields(names)}"]
    by_case = {name.lower(): name for name in names if name not in columns}
    problems = []
    for name in missing:
        similar = by_case.get(name.lower())
        hint = f", {similar!r} is there" if similar else ""
        problems.append(f"{name!r} is missing{hint}")
    problems += [f"{name!r} occurs {counts[name]} times" for name in columns if counts[name] > 1]
    if missing:
        others = [n for n in names if n not in columns and COLUMN_NAME.fullmatch(n)]
        problems += [f"{name!r} is not declared" for name in others]
    return problems


def _order_problems(names: Sequence[str], expected: Sequence[str]) -> list[str]:
    """Return one sentence for each column that is not in its declared place."""
    if tuple(names) == tuple(expected):
        return []
    problems = _problems(names, expected)
    problems += [
        f"column {place} is {name!r}, not {wanted!r}"
        for place, (name, wanted) in enumerate(zip(names, expected, strict=False), 1)
        if name != wanted and name in expected
    ]
    if not problems:
        problems = [f"expected the {len(expected)} columns {', '.join(expected)}"]
    return problems


def _json_header(head: bytes, file_name: str, source: SourceSpec) -> Header:
    expected = f"JSON objects with {', '.join(source.columns)}, one a line"
    find_header_line(head, file_name, expected, _REMEDY)
    body = len(head) - len(head.removeprefix(b"\xef\xbb\xbf"))
    whole = head[body:] if len(head) >= HEADER_LIMIT_BYTES else head[body:] + b"\n"
    objects, counts = count_names(whole)
    if not objects:
        raise DropHeaderError(
            f"{file_name}: expected {expected}, found no JSON object among the lines of its first "
            f"{HEADER_LIMIT_BYTES:,} bytes. {_REMEDY}"
        )
    missing = missing_columns(list(counts), source)
    if missing:
        by_case = {name.lower(): name for name in counts if name not in source.columns}
        hints = [f"{by_case[n.lower()]!r} is there" for n in missing if n.lower() in by_case]
        raise DropHeaderError(
            f"{file_name}: expected {expected}, found none of {', '.join(missing)} in its first "
            f"{objects:,} objects{''.join(f', {hint}' for hint in hints)}. {_REMEDY}"
        )
    return Header(body, 0, (), is_line=False)

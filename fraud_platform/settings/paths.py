"""Local paths as settings name them: which ones every program that gets them can use.

Here: the check of one path.
Not here: URLs of S3 and HDFS (`settings.storage`), which have rules of their own.

A path goes through URLs (MLflow's database and artifacts), properties files (Kafka), options of
Java, class paths, lists of jars and Hadoop's patterns. Each gives some characters a meaning, and
one that is taken wrongly shows late: as a JVM that does not start, or as a database elsewhere.
"""

from __future__ import annotations

import codecs
import os
import re
from collections.abc import Mapping
from pathlib import Path

_MEANINGS = {
    "%": "URLs read it as an escape",
    "?": "URLs read it as the start of a query",
    "#": "URLs read it as the start of a fragment",
    ",": "lists of jars are separated by it",
    ":": "class paths are separated by it",
    ";": "it ends a command",
    "\\": "properties files read it as an escape",
    "*": "Hadoop reads it as a pattern",
    "[": "Hadoop reads it as a pattern",
    "]": "Hadoop reads it as a pattern",
    "{": "Hadoop reads it as a pattern",
    "}": "Hadoop reads it as a pattern",
    '"': "options of Java are quoted by it",
    "'": "options of Java are quoted by it",
    "`": "SQL quotes names by it",
    "$": "properties files read it as a variable",
    "&": "URLs read it as a separator",
    "|": "shells read it as a pipe",
    "<": "shells read it as a redirection",
    ">": "shells read it as a redirection",
    "!": "URLs of archives are separated by it",
    "^": "URLs do not allow it",
}
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_LOCALE_VARIABLES = ("LC_ALL", "LC_CTYPE", "LANG")


def require_usable(path: str, environ: Mapping[str, str] = os.environ) -> str:
    """Return a local path if every program can use it.

    Raises:
        ValueError: names the characters that some program reads otherwise, and why.
    """
    wrong = [f"{sign} ({why})" for sign, why in _MEANINGS.items() if sign in path]
    if _CONTROL.search(path):
        wrong.append("a control character, such as a line break")
    if not path.isascii() and not _is_utf8(environ):
        wrong.append(
            "letters outside of ASCII (Java cannot name them in this locale; set LC_ALL=C.UTF-8)"
        )
    if any(part != part.strip(" ") for part in Path(path).parts):
        wrong.append("a space at the start or end of a folder's name")
    if wrong:
        raise ValueError(
            "expected a path of letters, digits, spaces and . _ - + = @ ~ ( ), found "
            + ", ".join(wrong)
            + ". Choose another folder."
        )
    return path


def _is_utf8(environ: Mapping[str, str]) -> bool:
    """Return whether the locale that Java takes from the environment is one of UTF-8."""
    chosen = next((environ[name] for name in _LOCALE_VARIABLES if environ.get(name)), "")
    try:
        return codecs.lookup(chosen.partition(".")[2].partition("@")[0]).name == "utf-8"
    except LookupError:
        return False

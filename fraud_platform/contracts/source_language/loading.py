"""Loading a data set: one of the platform's own by name, or a team's own file by its path.

Here: `load_data_set`.
Not here: which one this process works on (`contracts.active`), the language
(`contracts.source_language`).
"""

from __future__ import annotations

import importlib
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from fraud_platform.contracts.data_set import DataSet
from fraud_platform.contracts.source_language.declaring import declaration_of
from fraud_platform.contracts.source_language.feature_checks import (
    check_features,
    check_members,
    model_features,
)
from fraud_platform.contracts.source_language.problems import Problems
from fraud_platform.contracts.source_language.rules import check_rules
from fraud_platform.contracts.source_language.source import Source
from fraud_platform.errors import DeclarationError

OWN_DATA_SETS = ("handbook",)
"""Names of the packages in `fraud_platform.datasets`, each of which has a `DATA_SET`."""


def load_data_set(reference: str, kept: Sequence[Mapping[str, Any]] = ()) -> DataSet:
    """Return a data set by its name, or by the path of its file.

    A file defines one subclass of `Source`, a list FEATURES, and perhaps MODEL_FEATURES.

    Args:
        reference: the name or the path.
        kept: see `declared_in`.

    Raises:
        DeclarationError: there is no such data set, or its declaration is not valid; the message
            lists every problem with its place.
    """
    if reference in OWN_DATA_SETS:
        module = importlib.import_module(f"fraud_platform.datasets.{reference}")
        data_set: DataSet = module.DATA_SET
        return data_set
    path = Path(reference)
    if path.suffix != ".py" or not path.is_file():
        raise DeclarationError(
            f"FRAUD_DATA_SET: expected {', '.join(OWN_DATA_SETS)} or the path of a Python file "
            f"with a declaration, found {reference!r}. Correct the name or the path."
        )
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise DeclarationError(
            f"FRAUD_DATA_SET: expected {path} in UTF-8, found {error.reason} at byte "
            f"{error.start}. Save it as UTF-8."
        ) from None
    return declared_in(path.stem, text, kept)


def declared_in(name: str, text: str, kept: Sequence[Mapping[str, Any]] = ()) -> DataSet:
    """Return the data set that the text of a file declares.

    Args:
        name: of the file, without `.py`; the data set's name.
        kept: features that the file declares no longer and that are computed all the same: the
            `text` that declared them, and their `names`.

    Raises:
        DeclarationError: the declaration is not valid; the message lists every problem.
    """
    file = f"{name}.py"
    data_set = _of_members(file, _run(file, text))
    features = list(data_set.declaration.features)
    for older in kept:
        declared = _of_members(file, _run(file, older["text"])).declaration.features
        now = {one.name for one in features}
        features += [f for f in declared if f.name in older["names"] and f.name not in now]
    declaration = declaration_of(features, data_set.source)
    return replace(data_set, name=name, text=text, declaration=declaration, kept=tuple(kept))


def _run(file: str, text: str) -> dict[str, Any]:
    """Return the names that the text defines.

    Raises:
        DeclarationError: it ends with an error; the message has its line.
    """
    members: dict[str, Any] = {"__name__": f"fraud_data_set_{file}"}
    try:
        exec(compile(text, file, "exec"), members)  # noqa: S102 - a declaration is a program
    except DeclarationError:
        raise
    except Exception as error:
        lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == file]
        line = getattr(error, "lineno", None) or (lines[-1] if lines else 1)
        raise DeclarationError(
            f"The declaration {file} is not valid:\n  - {file}:{line}: expected a "
            f"declaration, found {type(error).__name__}: {error}. Correct this line."
        ) from error
    return members


def _of_members(file: str, members: dict[str, Any]) -> DataSet:
    problems = Problems()
    sources = [m for m in members.values() if isinstance(m, type) and issubclass(m, Source)]
    own = [source for source in dict.fromkeys(sources) if source is not Source]
    if len(own) != 1:
        remedy = "Define exactly one in this file."
        problems.add(file, "one class derived from Source", str(len(own)), remedy)
    problems.raise_any(file)
    source = own[0].spec
    check_members(file, members, problems)
    source = replace(source, rules=check_rules(file, members.get("REJECT", {}), source, problems))
    features = check_features(file, members.get("FEATURES"), source, problems)
    wanted = members.get("MODEL_FEATURES", "all")
    names = [one.name for one in features]
    chosen = model_features(file, wanted, names, problems)
    problems.raise_any(file)
    return DataSet(
        file,
        source,
        declaration_of(features, source),
        chosen,
        frozenset(one.name for one in features if one.rises),
        chooses=wanted == "auto",
    )

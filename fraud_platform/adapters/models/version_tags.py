"""The tags of a model version: few that a person reads, and one that holds its lineage.

Here: which tags are shown on a version's page, and the JSON of the others in one tag.
Not here: what a lineage says (`fraud_platform.operations.models.weeks`), versions and aliases
(`adapters.models.registry`).

MLflow shows every tag of a version in one list. Table versions, signatures and places of files are
data for programs: they would hide who decided what.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from fraud_platform.errors import ModelDamagedError

DIGEST_TAG, KNOWLEDGE_DATE_TAG, LINEAGE_TAG = "content_sha256", "knowledge_date", "lineage"
_SHOWN = (DIGEST_TAG, KNOWLEDGE_DATE_TAG)
_SHOWN_PREFIX = "promotion."


def pack(tags: Mapping[str, str]) -> dict[str, str]:
    """Return the tags to set on a version: those that people read, and one with all others."""
    shown = {name: text for name, text in tags.items() if _is_shown(name)}
    lineage = {name: text for name, text in tags.items() if not _is_shown(name)}
    return shown | ({LINEAGE_TAG: lineage_json(lineage)} if lineage else {})


def unpack(model: str, tags: Mapping[str, str]) -> dict[str, str]:
    """Return the tags of a version as they were before `pack`.

    A version that an older release registered has its lineage in separate tags, which stay as they
    are.

    Args:
        model: name and version, for the message.

    Raises:
        ModelDamagedError: the tag with the lineage is not what `pack` wrote.
    """
    rest = dict(tags)
    text = rest.pop(LINEAGE_TAG, None)
    if text is None:
        return rest
    try:
        lineage = json.loads(text)
    except ValueError:
        lineage = None
    if not isinstance(lineage, dict) or not all(isinstance(v, str) for v in lineage.values()):
        raise ModelDamagedError(
            f"model {model}: expected its tag {LINEAGE_TAG} to be a JSON object of texts, found "
            f"{text[:60]!r}. Set the tag to the content of {LINEAGE_TAG}.json, which is among the "
            "artifacts of the model's run, or restore MLflow's database from a backup."
        )
    return lineage | rest


def lineage_json(tags: Mapping[str, str]) -> str:
    """Return JSON of all tags that are not tags of their own."""
    return json.dumps({n: t for n, t in tags.items() if not _is_shown(n)}, sort_keys=True)


def _is_shown(name: str) -> bool:
    return name in _SHOWN or name.startswith(_SHOWN_PREFIX)

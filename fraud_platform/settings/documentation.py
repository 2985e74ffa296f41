"""The settings as a page for people.

Here: one Markdown table a group, made from the fields.
Not here: the fields (the groups beside this module).
"""

from __future__ import annotations

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from fraud_platform.settings.base import PREFIX, HomeSettings
from fraud_platform.settings.secrets import variable
from fraud_platform.settings.tree import Settings

_INTRODUCTION = f"""# Settings

Every setting is an environment variable, checked with all others when a process starts. A secret
may lie in a file that `{PREFIX}<NAME>_FILE` names instead. S3 and Hadoop have variables of their
own, see [storage.md](storage.md).
"""


def settings_markdown() -> str:
    """Return the page: the groups in alphabetical order, their variables in the order declared."""
    parts = [_INTRODUCTION, _table({"home": HomeSettings.model_fields["home"]})]
    groups = [group for group in Settings.__bases__ if issubclass(group, HomeSettings)]
    for group in sorted(groups, key=lambda group: group.__name__):
        own = {n: f for n, f in group.model_fields.items() if n not in HomeSettings.model_fields}
        parts += [f"## {(group.__doc__ or '').splitlines()[0].rstrip('.')}\n", _table(own)]
    return "\n".join(parts)


def _table(fields: dict[str, FieldInfo]) -> str:
    lines = ["| variable | default | |", "| --- | --- | --- |"]
    for name, field in fields.items():
        unset = field.default in (None, PydanticUndefined)
        default = "" if unset else f"`{str(field.default).lower()}`"
        if isinstance(field.default, str) and field.default:
            default = f"`{field.default}`"
        lines.append(f"| `{variable(name)}` | {default} | {field.description} |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    print(settings_markdown(), end="")

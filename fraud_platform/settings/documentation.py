"""The settings as a Markdown page, `docs/settings.md`.

Here: one table for each group, generated from its fields.
Not here: the fields (the other modules of this package).
"""

from __future__ import annotations

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from fraud_platform.settings.base import PREFIX, HomeSettings
from fraud_platform.settings.secrets import variable
from fraud_platform.settings.tree import Settings

_INTRODUCTION = f"""# Settings

Every setting is an environment variable. All settings are validated together when a process
starts. Instead of a secret, you can set `{PREFIX}<NAME>_FILE` to the file that contains it. S3 and
Hadoop are configured by their own variables, see [storage.md](storage.md).
"""


def settings_markdown() -> str:
    """Return the page: groups in alphabetical order, their variables in declaration order."""
    parts = [_INTRODUCTION, _table({"home": HomeSettings.model_fields["home"]})]
    groups = [group for group in Settings.__bases__ if issubclass(group, HomeSettings)]
    for group in sorted(groups, key=lambda group: group.__name__):
        fields = {n: f for n, f in group.model_fields.items() if n not in HomeSettings.model_fields}
        parts += [f"## {(group.__doc__ or '').splitlines()[0].rstrip('.')}\n", _table(fields)]
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
    print(settings_markdown(), end="")  # noqa: T201 - a generator prints the page

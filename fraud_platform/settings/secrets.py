"""Secrets: read from a variable, or from the file that `FRAUD_<NAME>_FILE` names.

Here: finding the secrets (every setting of type `SecretStr`), reading their files, rejecting
passwords in URLs.
Not here: the secrets themselves (the groups), passing them to a client (`adapters`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from fraud_platform.settings.base import PREFIX

FILE_SUFFIX = "_FILE"
_PASSWORD = re.compile(r"(?<=://)([^/@\s:]*):[^/@\s]*@")


def secret_names(fields: Mapping[str, FieldInfo]) -> list[str]:
    """Return the names of the settings of type `SecretStr`."""
    return [name for name, field in fields.items() if _is_secret(field.annotation)]


def variable(name: str) -> str:
    """Return the environment variable of a setting."""
    return f"{PREFIX}{name.upper()}"


def read_secret_files(
    names: Iterable[str], environ: Mapping[str, str]
) -> tuple[dict[str, Any], list[str]]:
    """Read the secrets whose `_FILE` variables are set.

    Returns:
        The secrets by setting, and one message for each problem. No message contains a secret.
    """
    secrets: dict[str, Any] = {}
    problems: list[str] = []
    for name in names:
        value_variable, file_variable = variable(name), variable(name) + FILE_SUFFIX
        path = environ.get(file_variable)
        if path is None:
            continue
        if value_variable in environ:
            problems.append(f"{value_variable} and {file_variable} are both set; keep one of them")
            continue
        try:
            secrets[name] = _content(Path(path))
        except ValueError as error:
            problems.append(f"{file_variable}: {error}")
    return secrets, problems


def without_password(url: str) -> str:
    """Return a URL that is safe to show: `user:password@` becomes `user:***@`."""
    return _PASSWORD.sub(r"\1:***@", url)


def passwords_in_urls(values: Mapping[str, object]) -> list[str]:
    """Return a problem for every URL with a password, because URLs are shown and logged."""
    return [
        f"{variable(name)} holds a password ({without_password(value)}), but URLs are shown and "
        f"logged; remove it and set a {PREFIX}..._PASSWORD or {PREFIX}..._SECRET variable, or its "
        "file"
        for name, value in values.items()
        if isinstance(value, str) and without_password(value) != value
    ]


def _is_secret(annotation: Any) -> bool:
    return annotation is SecretStr or SecretStr in get_args(annotation)


def _content(path: Path) -> str:
    """Return the single line of a secret's file."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ValueError(
            f"{path} cannot be read ({reason}); make it readable for this user, or name another "
            "file"
        ) from None
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not UTF-8 text; expected only the secret in it") from None
    secret = text.rstrip("\r\n")
    if not secret.strip() or "\n" in secret:
        raise ValueError(f"{path}: expected one line, the secret, found none or several")
    return secret

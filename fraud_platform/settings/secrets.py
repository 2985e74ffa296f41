"""Secrets: from a variable, or from the file that `FRAUD_<NAME>_FILE` names.

Here: which settings are secrets (every `SecretStr`, found by its type, so that a new one needs
nothing here), reading their files, refusing passwords inside URLs.
Not here: single secrets (the groups beside this module), handing them to a client (`adapters`).
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
    """Return the names of the settings that are secrets."""
    return [name for name, field in fields.items() if _is_secret(field.annotation)]


def variable(name: str) -> str:
    """Return the variable of a setting."""
    return f"{PREFIX}{name.upper()}"


def read_secret_files(
    names: Iterable[str], environ: Mapping[str, str]
) -> tuple[dict[str, Any], list[str]]:
    """Read the secrets that files hold.

    Returns:
        The secrets by setting, and a line for every problem; no line holds what a file holds.
    """
    secrets: dict[str, Any] = {}
    problems: list[str] = []
    for name in names:
        both = (variable(name), variable(name) + FILE_SUFFIX)
        path = environ.get(both[1])
        if path is None:
            continue
        if both[0] in environ:
            problems.append(f"{both[0]} and {both[1]} are both given; keep one of them")
            continue
        try:
            secrets[name] = _content(Path(path))
        except ValueError as error:
            problems.append(f"{both[1]}: {error}")
    return secrets, problems


def without_password(url: str) -> str:
    """Return a URL as it may be shown: `user:password@` becomes `user:***@`."""
    return _PASSWORD.sub(r"\1:***@", url)


def passwords_in_urls(values: Mapping[str, object]) -> list[str]:
    """Name every setting whose URL holds a password: a URL is shown, logged and passed on."""
    return [
        f"{variable(name)} holds a password ({without_password(value)}), and a URL is shown in "
        f"many places; leave it out and give it by a {PREFIX}..._PASSWORD or {PREFIX}..._SECRET "
        "variable, or its file"
        for name, value in values.items()
        if isinstance(value, str) and without_password(value) != value
    ]


def _is_secret(annotation: Any) -> bool:
    return annotation is SecretStr or SecretStr in get_args(annotation)


def _content(path: Path) -> str:
    """Return the one line of a secret's file."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ValueError(
            f"{path} cannot be read ({reason}); let this user read it, or name another file"
        ) from None
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not UTF-8 text; expected the secret alone in it") from None
    secret = text.rstrip("\r\n")
    if not secret.strip() or "\n" in secret:
        raise ValueError(f"{path}: expected one line, the secret, found none or several")
    return secret

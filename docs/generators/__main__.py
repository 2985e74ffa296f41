"""`python -m docs.generators`: write the parts of the docs that come from code and are kept.

Here: the files and what each of them holds.
Not here: how they are made (the modules beside this one).
"""

from __future__ import annotations

from docs.generators.kept import kept_files


def main() -> None:
    """Write every kept file that differs."""
    for path, text in kept_files().items():
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
            print(f"wrote {path}")


if __name__ == "__main__":
    main()

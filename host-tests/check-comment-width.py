"""Checks that the lines of comments have at most 100 columns, as prose is read; code has the 120 of rustfmt.toml.

    python3 host-tests/check-comment-width.py [PATH…]

Lines that hold code before a comment are rustfmt's.
"""

import pathlib
import sys

COLUMNS = 100


def main():
    root = pathlib.Path(__file__).resolve().parent.parent
    count = 0
    for directory in sys.argv[1:] or ["src"]:
        for path in sorted((root / directory).rglob("*.rs")):
            name = path.relative_to(root).as_posix()
            for number, line in enumerate(path.read_text().splitlines(), 1):
                if line.lstrip().startswith("//") and len(line) > COLUMNS:
                    print(f"{name}:{number}: {len(line)} columns")
                    count += 1
    print(f"{count} lines of comments have more than {COLUMNS} columns")
    sys.exit(count > 0)


main()

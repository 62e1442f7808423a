"""Checks that no Rust file is longer than can be read at one sitting.

    python3 host-tests/check-file-length.py [PATH…]
"""

import pathlib
import sys

LINES = 350


def main():
    root = pathlib.Path(__file__).resolve().parent.parent
    count = 0
    for directory in sys.argv[1:] or ["src", "host-tests", "profiles", "fuzz"]:
        for path in sorted((root / directory).rglob("*.rs")):
            lines = len(path.read_text().splitlines())
            if lines > LINES and "target" not in path.relative_to(root).parts:
                print(f"{path.relative_to(root).as_posix()}: {lines} lines")
                count += 1
    print(f"{count} files have more than {LINES} lines")
    sys.exit(count > 0)


main()

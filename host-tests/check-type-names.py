"""Checks that no two types of src/ have one name: a reader who meets a name then knows the type, and a search finds it.

    python3 host-tests/check-type-names.py

It counts structs, enums, unions, traits and type aliases, those within functions included. Not counted are the types of
tests (files named tests.rs or testing.rs or in a folder tests, and modules under `#[cfg(test)]`), which nobody meets
elsewhere, and the associated types of traits, whose names are the traits'.
"""

import collections
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
DEFINITION = re.compile(
    r"^\s*(?:pub(?:\([a-z: ]+\))? )?(?:(?:struct|enum|union|(?:unsafe )?trait|type) ([A-Z]\w*)|callout_document!\(([A-Z]\w*))"
)
# `type Error = …` within an impl or a trait.
ASSOCIATED = re.compile(r"^\s+type [A-Z]\w*")
OWNER = re.compile(r"^(?:unsafe )?(?:impl|(?:pub(?:\([a-z: ]+\))? )?(?:unsafe )?trait)\b")
TEST_MODULE = re.compile(r"^#\[cfg\(test\)\]\n(?:pub(?:\([a-z: ]+\))? )?mod \w+ \{\n.*?^\}\n", re.MULTILINE | re.DOTALL)


def definitions(path):
    """Each type of a file, with its line."""
    # Lines stay where they are.
    text = TEST_MODULE.sub(lambda module: "\n" * module.group().count("\n"), path.read_text())
    is_owned = False
    for number, line in enumerate(text.splitlines(), 1):
        if line[:1].strip():
            is_owned = bool(OWNER.match(line)) or is_owned and not line.startswith("}")
        match = DEFINITION.match(line)
        if match and not (is_owned and ASSOCIATED.match(line)):
            yield match[1] or match[2], number


def main():
    found = collections.defaultdict(list)
    for path in sorted((ROOT / "src").rglob("*.rs")):
        relative = path.relative_to(ROOT)
        if path.stem in ("tests", "testing") or "tests" in relative.parts:
            continue
        for name, line in definitions(path):
            found[name].append(f"{relative}:{line}")
    assert found, "no types were read"
    twice = {name: places for name, places in found.items() if len(places) > 1}
    for name, places in sorted(twice.items()):
        print(f"{name}: {', '.join(places)}")
    print(f"{len(found)} names of types, {len(twice)} of them defined more than once")
    sys.exit(len(twice) > 0)


main()

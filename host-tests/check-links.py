"""Checks that links in the project's Markdown lead to files that are there, and to headings of them.

    python3 host-tests/check-links.py

Links to other sites are not followed. Anchors are made of headings as GitHub makes them.
"""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def without_code(text):
    return re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)


def anchors(text):
    headings = re.findall(r"^#+ (.*)$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)) for heading in headings)
    return {heading.strip().lower().replace(" ", "-") for heading in plain}


def broken(page):
    text = page.read_text()
    for target in LINK.findall(without_code(text)):
        if "://" in target or target.startswith("mailto:"):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists():
            yield target, "there is no such file"
        elif anchor and file.suffix == ".md" and anchor not in anchors(file.read_text()):
            yield target, "that page has no such heading"


listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"]
pages = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
faults = 0
for page in (ROOT / name for name in pages if name):
    for target, why in broken(page):
        print(f"{page.relative_to(ROOT)}: {target}: {why}")
        faults += 1
print(f"{len(pages) - 1} pages, {faults} broken links")
sys.exit(faults > 0)

"""Checks that the files of src/ import each other without circles, and that no layer imports one above it.

    python3 host-tests/check-layers.py [--graph]

It reads all paths of the code, in `use` and elsewhere, and follows each to the file that defines
the item: a module that only re-exports what its children define is passed through, one that
defines what its children use is imported by them. Methods are not followed: an `impl` may lie in a
file of its own beside the type. Code under `#[cfg(test)]` may import anything. Prints each circle
and each import that goes upwards, with its line; with --graph, all imports.

That the core needs nothing else of the filter is the compiler's to keep: host-tests/core is made of
its files alone.
"""

import pathlib
import re
import sys

# The layers from the bottom up: each may import those before it, and none behind it.
LAYERS = {
    "json": "Strict reading of JSON: knows none of the rest.",
    "scheduling": "The pure core: what a library of scheduling is, without a proxy, its VMs and its wire formats.",
    "protocol": "Bodies and headers of clients and model servers, read into the core's terms.",
    "shared": "State that several VMs hold together, over a port for values and messages.",
    "learning": "Lengths learned from responses, which the VMs share.",
    "sources": "Profiles and pods: requests for them, and the reading of the answers.",
    "dispatcher": "Placing of requests by one VM among others, over shared state.",
    "config": "The configuration of all layers below.",
    "session": "Streams, callouts and ticks, generic over their host.",
    "reference": "Pages made of the tables of what users rely on.",
    "proxy": "The host inside a proxy.",
    "bin": "Programs that use the library as anyone can.",
}

SOURCES = pathlib.Path(__file__).resolve().parent.parent / "src"
TOKENS = re.compile(
    r"""
    (?P<comment>//[^\n]*|/\*.*?\*/)
  | (?P<raw>b?r(?P<hashes>\#*)".*?"(?P=hashes))
  | (?P<string>b?"(?:\\.|[^"\\])*")
  | (?P<character>b?'(?:\\[^u]|\\u\{[0-9a-fA-F]*\}|\\x..|[^\\'])')
  | (?P<lifetime>'[A-Za-z_]\w*)
  | (?P<word>(?:r\#)?[A-Za-z_]\w*)
  | (?P<sign>::|=>|->|[^\s\w])
  | (?P<number>\d\w*)
    """,
    re.VERBOSE | re.DOTALL,
)
ITEMS = {"struct", "enum", "union", "trait", "type", "fn", "const", "static", "macro_rules"}
OPENING, CLOSING = {"{": "}", "(": ")", "[": "]"}, {"}", ")", "]"}


class Module:
    """A module: a file, or a part of one."""

    def __init__(self, file, parent, layer):
        self.file, self.parent, self.layer = file, parent, layer
        self.children, self.items = {}, set()
        # What names stand for, and the modules whose names are all imported.
        self.imports, self.globs = {}, []
        # Each path in it, with its line; and each that it re-exports, which counts where its own code uses the name, too.
        self.paths, self.exports, self.words = [], [], set()


def tokens_of(text):
    """Words, signs and paths in strings (serde's attributes name functions so), each with its line."""
    line, at = 1, 0
    for match in TOKENS.finditer(text):
        line += text.count("\n", at, match.start())
        at = match.start()
        if match.lastgroup in ("word", "sign"):
            yield match.group(), line
        elif match.lastgroup == "string" and re.fullmatch(r'"[a-z_$]+(::[\w<>, ]+)+"', match.group()):
            yield from ((token, line) for token in re.findall(r"::|\w+|[^\s\w]", match.group()[1:-1]))
            yield ",", line


def closing(tokens, at):
    """The position behind the bracket that closes the one at a position."""
    depth = 0
    while True:
        depth += (tokens[at][0] in OPENING) - (tokens[at][0] in CLOSING)
        at += 1
        if depth == 0:
            return at


def item_end(tokens, at):
    """The position behind an item, or behind a field or an expression: its attributes come first."""
    while tokens[at][0] == "#":
        at = closing(tokens, at + 1)
    is_use = any(token == "use" for token, _ in tokens[at : at + 5])
    while at < len(tokens) and tokens[at][0] not in CLOSING:
        token = tokens[at][0]
        if token in OPENING:
            at = closing(tokens, at)
            if token == "{" and not is_use:
                return at
        else:
            at += 1
            if token in (";", ","):
                return at
    return at


def without_tests(tokens):
    """The tokens without what only tests compile."""
    kept, at = [], 0
    while at < len(tokens):
        words = [token for token, _ in tokens[at : at + 7]]
        if words == ["#", "[", "cfg", "(", "test", ")", "]"]:
            at = item_end(tokens, at)
        else:
            kept.append(tokens[at])
            at += 1
    return kept


def leaves(tokens, at, prefix):
    """The leaves of a `use` tree from a position: (segments, name), and the position behind it."""
    found, segments = [], list(prefix)
    while True:
        token = tokens[at][0]
        if token == "{":
            at += 1
            while tokens[at][0] != "}":
                more, at = leaves(tokens, at, segments)
                found += more
                at += tokens[at][0] == ","
            return found, at + 1
        if token == "self" and segments and segments != ["self"]:
            name = segments[-1]
        else:
            segments.append(token)
            name = token
        at += 1
        if tokens[at][0] == "as":
            return found + [(segments, tokens[at + 1][0])], at + 2
        if tokens[at][0] != "::":
            return found + [(segments, name)], at
        at += 1


def read(module, tokens):
    """Enters the items, imports and paths of a module's tokens."""
    at = 0
    while at < len(tokens):
        token, line = tokens[at]
        following = tokens[at + 1][0] if at + 1 < len(tokens) else ""
        before = tokens[at - 1][0] if at else ""
        if token == "use" and before != ".":
            is_export = before in ("pub", ")")
            found, at = leaves(tokens, at + 1, [])
            for segments, name in found:
                if name == "*":
                    module.globs.append(segments[:-1])
                else:
                    module.imports[name] = segments
                if is_export:
                    module.exports.append((name, segments, line))
                else:
                    module.paths.append((segments, line))
        elif token == "mod" and tokens[at + 2][0] == "{":
            end = closing(tokens, at + 2)
            child = Module(module.file, module, module.layer)
            module.children[following] = child
            read(child, tokens[at + 3 : end - 1])
            at = end
        elif token in ITEMS and re.match(r"\w", following) and following not in ITEMS:
            module.items.add(following)
            at += 2
        elif token == "macro_rules" and following == "!":
            module.items.add(tokens[at + 2][0])
            at += 3
        elif re.match(r"[A-Za-z_]", token) and following == "::" and before not in ("::", "."):
            segments = [token]
            module.words.add(token)
            while at + 2 < len(tokens) and tokens[at + 1][0] == "::" and re.match(r"[A-Za-z_]", tokens[at + 2][0]):
                segments.append(tokens[at + 2][0])
                at += 2
            module.paths.append((segments, line))
            at += 1
        else:
            module.words.add(token)
            at += 1


def load():
    """The root of the tree of modules; the programs are modules of it, too."""
    root = Module("lib.rs", None, None)
    # A file's parent comes first.
    depth = lambda path: len(path.relative_to(SOURCES).parts) - (path.name == "mod.rs")
    for path in sorted(SOURCES.rglob("*.rs"), key=lambda path: (depth(path), path)):
        relative = path.relative_to(SOURCES)
        names = list(relative.with_suffix("").parts)
        if "tests" in names:
            continue
        if names[-1] == "mod":
            names.pop()
        module = root
        if names != ["lib"]:
            for name in names[:-1]:
                module = module.children.setdefault(name, Module(None, module, names[0]))
            module.children[names[-1]] = module = Module(str(relative), module, names[0])
        read(module, without_tests(list(tokens_of(path.read_text()))))
    return root


def resolve(root, module, segments, seen=()):
    """The module that defines what a path names, or that it names, and whether it does; none for other crates."""
    if (id(module), tuple(segments)) in seen:
        return None
    seen = (*seen, (id(module), tuple(segments)))
    head, *rest = segments
    if head in ("crate", "slo_router"):
        return within(root, root, rest, seen)
    if head == "self":
        return within(root, module, rest, seen)
    if head == "super":
        return resolve(root, module.parent, ["self", *rest], seen)
    return within(root, module, segments, seen) if names(root, module, head, seen) else None


def names(root, module, head, seen):
    if head in module.children or head in module.items or head in module.imports:
        return True
    targets = (resolve(root, module, glob, seen) for glob in module.globs)
    return any(target and names(root, target[0], head, seen) for target in targets)


def within(root, module, segments, seen):
    if not segments:
        return module, True
    head, *rest = segments
    if head == "super":
        return within(root, module.parent, rest, seen)
    if head in module.children:
        return within(root, module.children[head], rest, seen)
    if head in module.items:
        return module, False
    if head in module.imports:
        return resolve(root, module, module.imports[head] + rest, seen)
    for glob in module.globs:
        target = resolve(root, module, glob, seen)
        if target and names(root, target[0], head, seen):
            return within(root, target[0], segments, seen)
    # A macro may define it.
    return module, False


def imports(root):
    """Each pair of files of which one imports the other, with the first line that does, and both layers."""
    found, unread = {}, [root]
    while unread:
        module = unread.pop()
        unread += module.children.values()
        used = [(segments, line) for name, segments, line in module.exports if name in module.words]
        for segments, line in module.paths + used:
            resolved = resolve(root, module, segments)
            if not resolved:
                continue
            target, is_module = resolved
            # A module's name alone imports nothing of it: paths through the name do.
            if is_module or target.file in (module.file, None):
                continue
            pair = (module.file, target.file)
            if pair not in found or line < found[pair][0]:
                found[pair] = (line, module.layer, target.layer)
    return found


def shortest_circle(graph, start):
    """The shortest way from a file back to itself, if there is one."""
    ways = [[start]]
    seen = set()
    for way in ways:
        for target in sorted(graph.get(way[-1], ())):
            if target == start:
                return way
            if target not in seen:
                seen.add(target)
                ways.append([*way, target])
    return None


def main():
    found = imports(load())
    assert found, "no imports were read"
    if "--graph" in sys.argv[1:]:
        for (file, target), (line, _, _) in sorted(found.items()):
            print(f"src/{file}:{line}: {target}")
    order = {layer: at for at, layer in enumerate(LAYERS)}
    faults = 0
    for (file, target), (line, layer, other) in sorted(found.items()):
        if order[layer] < order[other]:
            print(f"src/{file}:{line}: {layer} imports {other}, a layer above it: {target}")
            faults += 1
    graph = {}
    for file, target in found:
        graph.setdefault(file, set()).add(target)
    told = set()
    for file in sorted(graph):
        circle = shortest_circle(graph, file)
        if circle and frozenset(circle) not in told and file == min(circle):
            told.add(frozenset(circle))
            faults += 1
            print("circle:")
            for importer, target in zip(circle, [*circle[1:], circle[0]]):
                print(f"  src/{importer}:{found[importer, target][0]}: imports {target}")
    print(f"{len(found)} imports between files, {faults} circles and imports upwards")
    sys.exit(faults > 0)


main()

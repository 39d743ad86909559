#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The mastersecret authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""doc/THREAT-MODEL: each of its sentences names a test that is there, or says that it has none; doc/TESTING's
bug museum, too, and each test that is named after a bug stands in its table."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
TESTS = ROOT / "tests"
NAME = re.compile(r"\b(?:unit|pam|system|tree|format)/[\w.]+(?:::\w+)?")
WITHOUT = "A sentence without a test"
# A test of the museum is called after one of these.
MUSEUM = r"(?:vault|openbao|krb5|kms|gnome_keyring|oo7|kviklet|sssd|sddm|cockpit|omarchy|bitwarden|freeipa)_\w+"


def problem(name):
    """Why the test that is named is none, or None."""
    path, _, function = name.partition("::")
    file = TESTS / path
    if file.is_dir() or not file.exists():
        file = TESTS / f"{path}.c"
    if not file.exists():
        return f"tests/{path} is not there"
    if not function:
        return None
    found = re.search(rf"^(?:def|static void) {function}\(", file.read_text(), re.M)
    return None if found else f"tests/{path} has no {function}"


def bullets(text):
    """(line number, text) of each item, with the lines that go on below it."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("- "):
            found.append([number, line])
        elif found and line.startswith("  "):
            found[-1][1] += " " + line.strip()
        else:
            found.append([number, ""])
    return [(number, item) for number, item in found if item]


def threat_model():
    text = (ROOT / "doc/THREAT-MODEL").read_text()
    items = bullets(text)
    if len(items) < 25:
        yield f"doc/THREAT-MODEL: only {len(items)} items were found"
    for number, item in items:
        named = [name for group in re.findall(r"\[([^\]]*)\]", item) for name in re.split(r",\s*", group)]
        if not named and WITHOUT not in item:
            yield f"doc/THREAT-MODEL:{number}: names no test: {item[:60]}"
        for name in named:
            reason = problem(name) if NAME.fullmatch(name) else "is no test"
            if reason:
                yield f"doc/THREAT-MODEL:{number}: {name}: {reason}"


def museum():
    text = (ROOT / "doc/TESTING").read_text()
    text = text[text.index("Bug museum"):]
    for name in NAME.findall(text):
        reason = problem(name)
        if reason:
            yield f"doc/TESTING: {name}: {reason}"
    files = [*TESTS.glob("unit/*.c"), *TESTS.glob("pam/*.c"), *TESTS.glob("system/*.py")]
    for path in sorted(files):
        for function in re.findall(rf"^(?:def|static void) (test_{MUSEUM})\(", path.read_text(), re.M):
            if f"::{function}" not in text:
                yield f"{path.relative_to(ROOT)}: {function} is not in the table of doc/TESTING"


def main():
    found = [*threat_model(), *museum()]
    print("\n".join(found + [f"{len(found)} findings"]))
    return 1 if found else 0


sys.exit(main())

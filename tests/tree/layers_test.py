#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The mastersecret authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The layers of doc/DESIGN section 1: includes run downwards only, and each foreign library has one home."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Folder -> folders it may include from (itself always).
BELOW = {
    "common": set(),
    "client": {"common"},
    "client/cli": {"common", "client"},
    "pam_module": {"common", "client"},
    "dbus-service/store": {"common"},
    "dbus-service/keys": {"common"},
    "dbus-service/domain": {"common", "dbus-service", "dbus-service/keys", "dbus-service/store"},
    "dbus-service/bus": {"common", "dbus-service", "dbus-service/keys", "dbus-service/store",
                         "dbus-service/domain"},
    "dbus-service": {"common", "dbus-service/bus", "dbus-service/domain", "dbus-service/keys",
                     "dbus-service/store"},
}
# Of dbus-service/ itself only main.c stands above the rooms; the rest is floor 1.
FLOOR_ONE = {"common", "dbus-service"}
FOREIGN = {
    r"gdbm\.h": {"dbus-service/store/view.c"},
    r"sodium\.h": {"dbus-service/keys/", "common/recipient_key.c", "common/backup_signature.c", "common/file_hash.c"},
    r"dbus/dbus\.h": {"dbus-service/bus/", "client/"},
    r"security/.*\.h": {"pam_module/"},
    r"uv\.h": {"dbus-service/"},
    r"ini\.h": {"dbus-service/config.c"},
    r"jansson\.h": {"client/cli/"},
    r"qrencode\.h": {"client/cli/qr.c"},
}


def findings(path):
    name = str(path.relative_to(ROOT))
    folder = str(path.parent.relative_to(ROOT))
    allowed = BELOW[folder] | {folder}
    if folder == "dbus-service" and path.name not in ("main.c", "service.c", "service.h", "config.h", "config.c"):
        allowed = FLOOR_ONE
    for number, line in enumerate(path.read_text().splitlines(), 1):
        match = re.match(r'\s*#\s*include\s*([<"])([^>"]+)', line)
        if not match:
            continue
        kind, target = match.groups()
        if kind == '"' and "/" in target and str(pathlib.PurePath(target).parent) not in allowed:
            yield f"{name}:{number}: {folder} must not include {target}"
        for pattern, homes in FOREIGN.items():
            if re.fullmatch(pattern, target) and not any(name.startswith(home) for home in homes):
                yield f"{name}:{number}: {target} belongs to {', '.join(sorted(homes))}"


def main():
    found, seen = [], 0
    for folder in BELOW:
        for path in sorted((ROOT / folder).glob("*.[ch]")):
            seen += 1
            found += findings(path)
    print("\n".join(found + [f"{seen} files read, {len(found)} findings"]))
    return 1 if found or seen < 10 else 0


sys.exit(main())

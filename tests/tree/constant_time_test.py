#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The mastersecret authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenBao GHSA-34fc (a token compared in variable time): in the files through whose hands values, keys and
passphrases go, whatever compares bytes is one of the comparisons listed here, none of which sees a secret; and
the objects that compare secrets refer to nothing but sodium_memcmp. The field that shares are computed in has
neither tables nor branches, as written and as compiled. Runs in the build folder."""
import glob
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
COMPARES = r"(?<!sodium_)\b(?:memcmp|bcmp|strn?cmp|strn?casecmp|strstr|memmem)\("
# Files with secrets in them -> the comparisons in each, by how they begin.
FILES = {
    "common/base32.c": [],
    "common/recipient_key.c": ["strncasecmp(text, prefix"],  # which half it is
    "common/secret.c": [],
    "common/secret_pipe.c": [],
    "client/credentials.c": ["strcmp(field->label"],
    "client/request.c": [],
    "dbus-service/bus/interface_credentials.c": [],
    "dbus-service/bus/interface_secret.c": [],
    "dbus-service/bus/descriptors.c": ["strcmp(set->items[i].name", "strcmp(rules->name"],
    "dbus-service/bus/secret_backup.c": [],
    "dbus-service/bus/secret_restore.c": [],
    "dbus-service/bus/secret_slot.c": [],
    "dbus-service/domain/mapping.c": ["strcmp(present->external_user", "strcmp(application->users.names[i]"],
    "dbus-service/domain/mapping_value.c": ['strncmp(text, "user:"', 'strncmp(text, "group:"'],
    "dbus-service/domain/realm_record.c": ["memcmp(held, key"],  # the key of a record, not a key
    "pam_module/authenticate.c": [],
    "pam_module/capture.c": ["strcmp(user, kept->user)"],
}
# All of keys/: format marks, realm, fingerprints, ciphertext, names of slots, recipients.
KEYS = ["memcmp(a->realm", "memcmp(magic, MAGIC", "memcmp(head->realm",
        "memcmp(fingerprint", "memcmp(present->realm", "memcmp(one->public_key",
        "strcmp(one->name", "strcmp(keyring->recipients[index].name",
        "memcmp(keyring->realm", "memcmp(file->realm",
        "memcmp(list->realm", "memcmp(ret_file->realm",
        "memcmp(found->bytes, bytes->bytes",
        "strcmp(slot_types[i].name"]
# Objects -> what they must refer to; they refer to none of the others.
OBJECTS = {
    "dbus-service/keys/libservice_la-equal.o": "sodium_memcmp",
    "dbus-service/bus/libservice_la-interface_credentials.o": "secret_equal",
}
FIELD = "dbus-service/keys/gf256.c"
# A table, a branch, or a loop with another end than a number.
FIELD_SOURCE = r"\[|\?|&&|\|\||\b(?:if|while|switch|goto|case)\b|\bfor \((?!unsigned i = 0; i < \d+; i\+\+\))"


def source(path, allowed):
    """The comparisons that nobody has looked at, and those of the table that are gone."""
    left = set(allowed)
    for number, line in enumerate((ROOT / path).read_text().splitlines(), 1):
        for match in re.finditer(COMPARES, line):
            known = [text for text in allowed if line[match.start():].startswith(text)]
            left -= set(known)
            if not known:
                yield f"{path}:{number}: {line.strip()}"
    if path in FILES:
        yield from (f"{path}: {text} is not there any more" for text in sorted(left))


def field_source():
    code = re.sub(r"/\*.*?\*/", lambda comment: re.sub(r"[^\n]", " ", comment[0]), (ROOT / FIELD).read_text(),
                  flags=re.S)
    for number, line in enumerate(code.splitlines(), 1):
        if not line.startswith("#") and re.search(FIELD_SOURCE, line):
            yield f"{FIELD}:{number}: {line.strip()}"


def output(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def object_of(path):
    return glob.glob(path) or glob.glob(path.replace("libservice_la", ".libs/libservice_la"))


def field_object():
    """The compiler may make a branch or a table of what has none: every jump is back, to a loop's beginning."""
    objects = object_of("dbus-service/keys/libservice_la-gf256.o")
    if not objects:
        yield f"{FIELD} has no object in this folder"
        return
    if re.search(r"__(?:[at]san|ubsan|sanitizer)_", output("nm", objects[0])):
        return  # checks branch
    for name, size in re.findall(r"^ +\d+ (\.(?:ro)?data\S*) +([0-9a-f]+)", output("objdump", "-h", objects[0]), re.M):
        if int(size, 16):
            yield f"{objects[0]} has a section {name}"
    jumps = re.findall(r"^ +([0-9a-f]+):\t[^\t]+\t(j\w+|b\.\w+|cbn?z|tbn?z)\s+(?:.*, *)?(\S+)",
                       output("objdump", "-d", objects[0]), re.M)
    yield from (f"{objects[0]}: {at}: {jump} {to}" for at, jump, to in jumps
                if not re.fullmatch(r"[0-9a-f]+", to) or int(to, 16) >= int(at, 16))


def symbols(path, wanted):
    objects = object_of(path)
    if not objects:
        yield f"{path} is not in this folder"
        return
    used = {line.split()[-1].split("@")[0] for line in output("nm", "-u", objects[0]).splitlines()}
    if wanted not in used:
        yield f"{path} does not use {wanted}"
    yield from (f"{path} uses {name}" for name in sorted(used)
                if name != wanted and re.search(r"(mem|b|str|strn)cmp$|strstr|memmem", name))


def main():
    found = []
    for path, allowed in FILES.items():
        found += source(path, allowed)
    for path in sorted(ROOT.glob("dbus-service/keys/*.c")):
        found += source(str(path.relative_to(ROOT)), KEYS)
    for path, wanted in OBJECTS.items():
        found += symbols(path, wanted)
    found += [*field_source(), *field_object()]
    print("\n".join(found + [f"{len(found)} findings"]))
    return 1 if found else 0


sys.exit(main())

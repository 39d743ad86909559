#!/usr/bin/python3
# SPDX-FileCopyrightText: 2026 The mastersecret authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A second reader of keyring, backup and record, written from doc/FORMAT alone: PyNaCl for AEAD and
Argon2id, hashlib for the rest. It opens the frozen fixtures; whoever has lost the program can
still get at the data with it."""

import hashlib
import hmac
import struct

from nacl.bindings import crypto_aead_xchacha20poly1305_ietf_decrypt as aead_open
from nacl.pwhash import argon2id

MIB = 1024 * 1024


class FormatError(Exception):
    pass


class Cursor:
    def __init__(self, data):
        self.data, self.position = data, 0

    def take(self, length):
        if self.position + length > len(self.data):
            raise FormatError("too short")
        self.position += length
        return self.data[self.position - length : self.position]

    def number(self, code):
        return struct.unpack("<" + code, self.take(struct.calcsize("<" + code)))[0]

    def block(self):
        return self.take(self.number("I"))

    def end(self):
        if self.position != len(self.data):
            raise FormatError("bytes after the end")


def kdf(key, number, context):
    return hashlib.blake2b(
        digest_size=32,
        key=key,
        salt=struct.pack("<QQ", number, 0),
        person=context + bytes(8),
    ).digest()


def digest(data, key=b""):
    return hashlib.blake2b(data, digest_size=32, key=key).digest()


def stretch(passphrase, salt, opslimit, memlimit):
    if not (1 <= opslimit <= 16 and 8 * MIB <= memlimit <= 1024 * MIB):
        raise FormatError("Argon2id parameters out of range")
    return argon2id.kdf(32, passphrase, salt, opslimit, memlimit)


def check_commitment(material, number, commitment):
    if not hmac.compare_digest(kdf(material, number, b"msslot01"), commitment):
        raise FormatError("wrong key")


def check_magic(cursor, magic):
    if cursor.take(8) != magic:
        raise FormatError("not such a file")
    if cursor.number("I") != 1:
        raise FormatError("another format")


def parse_content(data):
    cursor = Cursor(data)
    if cursor.number("B") != 1:
        raise FormatError("another format of content")
    content = {
        "realm": cursor.take(16),
        "epoch": cursor.number("Q"),
        "active": cursor.number("I"),
        "generations": {},
    }
    for _ in range(cursor.number("H")):
        number = cursor.number("I")
        content["generations"][number] = {
            "id": cursor.take(16),
            "created": cursor.number("Q"),
            "secret": cursor.take(32),
        }
    content["log key"] = cursor.take(32)
    content["name key"] = cursor.take(32)
    content["host key"] = (cursor.take(32), cursor.take(32))
    present = cursor.number("B")
    content["signing key"] = (cursor.take(32), cursor.take(64) if present else None)
    content["backup"] = (cursor.number("Q"), cursor.number("I"), cursor.block().decode())
    cursor.end()
    return content


def fingerprint(secret):
    return kdf(secret, 255, b"msrecord")[:16]


def slot_material(kind, salt, cost, sources):
    if kind == 3:
        return stretch(sources[3], salt, *cost)
    return digest(b"mastersecret slot" + bytes([kind]) + salt + sources[kind])


def open_slot(block, realm, sources):
    cursor = Cursor(block)
    kind = cursor.number("B")
    if kind not in sources:
        return None
    cursor.number("I")
    cost = cursor.number("Q"), cursor.number("Q")
    salt, commitment = cursor.take(16), cursor.take(32)
    head = block[: cursor.position]
    nonce, wrapped = cursor.take(24), cursor.take(48)
    cursor.end()
    material = slot_material(kind, salt, cost, sources)
    check_commitment(material, 2, commitment)
    return aead_open(
        wrapped, b"mastersecret slot" + realm + head, nonce, kdf(material, 1, b"msslot01")
    )


def read_keyring(data, sources):
    """sources: slot kind (1 keyfile, 2 credential, 3 passphrase) -> bytes. Returns the content."""
    cursor = Cursor(data)
    check_magic(cursor, b"MSKEYR1\n")
    realm = cursor.take(16)
    head = data[: cursor.position]
    roots = [open_slot(cursor.block(), realm, sources) for _ in range(cursor.number("H"))]
    nonce, sealed = cursor.take(24), cursor.block()
    cursor.end()
    root = next(root for root in roots if root is not None)
    return aead_open(sealed, b"mastersecret keyring" + head, nonce, kdf(root, 1, b"mskeyrng"))


def read_backup(data, passphrase):
    """Returns (what anybody can read, the content)."""
    cursor = Cursor(data)
    check_magic(cursor, b"MSBACKU1")
    facts = {
        "realm": cursor.take(16),
        "created": cursor.number("Q"),
        "hint": cursor.block().decode(),
        "host": cursor.block().decode(),
        "generations": {},
    }
    for _ in range(cursor.number("H")):
        number = cursor.number("I")
        facts["generations"][number] = cursor.take(16)
    cost = cursor.number("Q"), cursor.number("Q")
    salt, commitment = cursor.take(16), cursor.take(32)
    head = data[: cursor.position]
    nonce, sealed = cursor.take(24), cursor.block()
    cursor.end()
    material = stretch(passphrase, salt, *cost)
    check_commitment(material, 4, commitment)
    content = aead_open(sealed, b"mastersecret backup" + head, nonce, kdf(material, 3, b"msslot01"))
    return facts, content


def read_record(data, key, content):
    """Returns (kind, version, value)."""
    cursor = Cursor(data)
    if cursor.number("B") != 1:
        raise FormatError("another format of record")
    kind, generation, version = cursor.number("B"), cursor.number("I"), cursor.number("Q")
    head = data[: cursor.position]
    nonce = cursor.take(24)
    secret = content["generations"][generation]["secret"]
    associated = b"mastersecret record" + content["realm"] + head + struct.pack("<I", len(key)) + key
    value = aead_open(
        data[cursor.position :], associated, nonce, kdf(secret, key[0], b"msrecord")
    )
    return kind, version, value

#!/usr/bin/python3
# SPDX-FileCopyrightText: 2026 The mastersecret authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A second reader of keyring, backup, record, journal and export, written from doc/FORMAT alone: PyNaCl for AEAD and
Argon2id, hashlib for the rest. It opens the frozen fixtures; whoever has lost the program can
still get at the data with it."""

import base64
import hashlib
import hmac
import struct

from nacl.bindings import crypto_aead_xchacha20poly1305_ietf_decrypt as aead_open
from nacl.exceptions import BadSignatureError
from nacl.public import PrivateKey, SealedBox
from nacl.pwhash import argon2id
from nacl.signing import VerifyKey

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


def check_magic(cursor, magic, newest):
    """Returns the format."""
    if cursor.take(8) != magic:
        raise FormatError("not such a file")
    version = cursor.number("I")
    if not 1 <= version <= newest:
        raise FormatError("another format")
    return version


def take_content(cursor):
    version = cursor.number("B")
    if version not in (1, 2):
        raise FormatError("another format of content")
    content = {
        "realm": cursor.take(16),
        "epoch": cursor.number("Q"),
        "active": cursor.number("I"),
        "generations": {},
        "recipients": [],
    }
    for _ in range(cursor.number("H")):
        number = cursor.number("I")
        generation = {"id": cursor.take(16), "created": cursor.number("Q")}
        generation["activated"] = cursor.number("Q") if version > 1 else generation["created"]
        generation["retired"] = cursor.number("Q") if version > 1 else 0
        generation["secret"] = cursor.take(32)
        content["generations"][number] = generation
    content["log key"] = cursor.take(32)
    content["name key"] = cursor.take(32)
    content["host key"] = (cursor.take(32), cursor.take(32))
    present = cursor.number("B")
    content["signing key"] = (cursor.take(32), cursor.take(64) if present else None)
    content["backup"] = (cursor.number("Q"), cursor.number("I"), cursor.block().decode())
    if version == 1:
        return content
    content["backup hash"], content["in directory"] = cursor.take(16), cursor.number("B")
    for _ in range(cursor.number("H")):
        key, added = cursor.take(32), cursor.number("Q")
        content["recipients"].append((key, added, cursor.block().decode()))
    content["rotation"] = {
        name: cursor.number(code)
        for name, code in (
            ("begun", "Q"),
            ("from", "I"),
            ("ended", "Q"),
            ("re-encrypted", "Q"),
            ("paused", "B"),
            ("rate", "I"),
        )
    }
    return content


def parse_content(data):
    cursor = Cursor(data)
    content = take_content(cursor)
    cursor.end()
    return content


def parse_key_text(text, prefix):
    """prefix: b"ms1-public-" or b"ms1-recipient-"."""
    text = text.strip().lower()
    if not text.startswith(prefix):
        raise FormatError("not such a key")
    letters = text[len(prefix) :].translate(None, b" \t\r\n-")
    data = base64.b32decode(letters.upper() + b"=" * (-len(letters) % 8))
    if data[-4:] != digest(prefix + data[:-4])[:4] or data[0] != 1:
        raise FormatError("mistyped")
    return data[1:-4]


def fingerprint(secret):
    return kdf(secret, 255, b"msrecord")[:16]


def multiply(a, b):
    """In GF(2^8), by the polynomial x^8 + x^4 + x^3 + x + 1."""
    product = 0
    for bit in range(8):
        product ^= (a << bit) * (b >> bit & 1)
    for bit in range(14, 7, -1):
        product ^= (0x11B << bit - 8) * (product >> bit & 1)
    return product


def divide(a, b):
    return next(c for c in range(256) if multiply(b, c) == a)


def parse_share(text):
    letters = "".join(text.decode().lower().replace("-", "").split())
    if not letters.startswith("ms1") or len(letters) != 3 + 96:
        raise FormatError("no share")
    data = base64.b32decode(letters[3:].upper())
    if digest(b"mastersecret share" + data[:-4])[:4] != data[-4:]:
        raise FormatError("a share is mistyped")
    cursor = Cursor(data[:-4])
    if cursor.number("B") != 1:
        raise FormatError("another format of share")
    share = {"realm": cursor.take(16), "slot": cursor.number("I")}
    share["threshold"], share["count"], share["index"] = cursor.take(3)
    share["bytes"] = cursor.take(32)
    return share


def join_shares(texts):
    """Lagrange at 0, for each byte."""
    shares = [parse_share(text) for text in texts]
    if len(shares) < shares[0]["threshold"]:
        raise FormatError("too few shares")
    secret = bytearray(32)
    for share in shares:
        weight = 1
        for other in shares:
            if other is not share:
                weight = multiply(weight, divide(other["index"], other["index"] ^ share["index"]))
        for place in range(32):
            secret[place] ^= multiply(share["bytes"][place], weight)
    return bytes(secret)


def slot_material(kind, salt, cost, sources):
    if kind == 4:
        return digest(b"mastersecret slot" + bytes([4]) + salt + join_shares(sources[4]))
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
    """sources: slot kind (1 keyfile, 2 credential, 3 passphrase) -> bytes, or 4 -> texts of shares. Returns the
    content."""
    cursor = Cursor(data)
    check_magic(cursor, b"MSKEYR1\n", 1)
    realm = cursor.take(16)
    head = data[: cursor.position]
    roots = [open_slot(cursor.block(), realm, sources) for _ in range(cursor.number("H"))]
    nonce, sealed = cursor.take(24), cursor.block()
    cursor.end()
    root = next(root for root in roots if root is not None)
    return aead_open(sealed, b"mastersecret keyring" + head, nonce, kdf(root, 1, b"mskeyrng"))


LABEL = b"mastersecret backup"


def take_head(cursor):
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
    return facts


def open_content_1(data, cursor, passphrase):
    """Format 1: the content is under the passphrase's own key."""
    cost = cursor.number("Q"), cursor.number("Q")
    salt, commitment = cursor.take(16), cursor.take(32)
    head = data[: cursor.position]
    nonce, sealed = cursor.take(24), cursor.block()
    cursor.end()
    material = stretch(passphrase, salt, *cost)
    check_commitment(material, 4, commitment)
    return aead_open(sealed, LABEL + head, nonce, kdf(material, 3, b"msslot01"))


def open_lock(block, realm, passphrase, private_key):
    """The key under this lock; None if there is nothing to open it with."""
    cursor = Cursor(block)
    kind = cursor.number("B")
    if kind == 1:
        cost = cursor.number("Q"), cursor.number("Q")
        salt, commitment = cursor.take(16), cursor.take(32)
        head = block[: cursor.position]
        nonce, wrapped = cursor.take(24), cursor.take(48)
        cursor.end()
        if passphrase is None:
            return None
        material = stretch(passphrase, salt, *cost)
        check_commitment(material, 4, commitment)
        return aead_open(wrapped, LABEL + realm + head, nonce, kdf(material, 3, b"msslot01"))
    if kind != 2:
        raise FormatError("another kind of lock")
    public_key, _name, sealed = cursor.take(32), cursor.block(), cursor.take(80)
    cursor.end()
    if private_key is None or bytes(PrivateKey(private_key).public_key) != public_key:
        return None
    return SealedBox(PrivateKey(private_key)).decrypt(sealed)


def open_content_2(data, cursor, facts, passphrase, private_key):
    facts["signer"] = cursor.take(32)
    try:
        VerifyKey(facts["signer"]).verify(LABEL + data[:-64], data[-64:])
    except BadSignatureError:
        raise FormatError("altered") from None
    blocks = [cursor.block() for _ in range(cursor.number("H"))]
    commitment = cursor.take(32)
    head = data[: cursor.position]
    nonce, sealed = cursor.take(24), cursor.block()
    cursor.take(64)
    cursor.end()
    keys = [open_lock(block, facts["realm"], passphrase, private_key) for block in blocks]
    key = next((key for key in keys if key is not None), None)
    if key is None:
        raise FormatError("no lock for this key")
    if kdf(key, 2, b"msbackup") != commitment:
        raise FormatError("another key than committed to")
    return aead_open(sealed, LABEL + head, nonce, kdf(key, 1, b"msbackup"))


def take_manifest(cursor):
    if cursor.number("B") != 1:
        raise FormatError("another format of manifest")
    return {
        "log": cursor.take(16),
        "revision": cursor.number("Q"),
        "records": {
            (cursor.number("B"), cursor.number("I")): cursor.number("Q")
            for _ in range(cursor.number("B"))
        },
    }


def read_backup(data, passphrase=None, private_key=None):
    """Returns (what anybody can read, the content parsed, the manifest: None in format 1)."""
    cursor = Cursor(data)
    version = check_magic(cursor, b"MSBACKU1", 2)
    facts = take_head(cursor)
    if version == 1:
        return facts, parse_content(open_content_1(data, cursor, passphrase)), None
    inner = Cursor(open_content_2(data, cursor, facts, passphrase, private_key))
    content, manifest = take_content(inner), take_manifest(inner)
    inner.end()
    return facts, content, manifest


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


def read_frame(cursor, log_key):
    """Returns (type, count, first, previous, body, chain) of the next frame, None at zeros or the end."""
    start = cursor.position
    if not cursor.data[start:].strip(b"\0"):
        return None
    if cursor.number("I") != 0x4D525346:
        raise FormatError("no frame")
    kind, reserved = cursor.number("B"), cursor.take(3)
    length, count, first = cursor.number("I"), cursor.number("I"), cursor.number("Q")
    cursor.number("Q")
    previous, body = cursor.take(32), cursor.take(length)
    head_and_body = cursor.data[start : cursor.position]
    chain = cursor.take(32)
    if reserved != bytes(3) or not hmac.compare_digest(digest(head_and_body, log_key), chain):
        raise FormatError("a damaged frame")
    return kind, count, first, previous, body, chain


def take_changes(kind, count, first, body):
    """Yields (revision, key, record) of a commit or of base records."""
    cursor = Cursor(body)
    for number in range(count):
        revision, changes = first + number, 1
        if kind == 1:
            cursor.take(16)
            changes = cursor.number("I")
        else:
            revision = cursor.number("Q")
        for _ in range(changes):
            key = cursor.take(cursor.number("H"))
            yield revision, key, cursor.block()
    cursor.end()


def read_log(data, content):
    """A journal, or an export. Returns what stands in its header, the newest revision, and the newest
    records: key -> (revision, record)."""
    cursor = Cursor(data)
    magic = cursor.take(8)
    if magic not in (b"MSJRNL1\n", b"MSEXPRT1") or cursor.number("I") != 1:
        raise FormatError("not such a file")
    cursor.take(4)
    log = {"export": magic == b"MSEXPRT1", "realm": cursor.take(16), "id": cursor.take(16)}
    log["base"] = log["revision"] = cursor.number("Q")
    chain = cursor.take(32)
    cursor.take(8)
    base_chain = check = cursor.take(32)
    if digest(b"mastersecret journal" + data[:96], content["log key"]) != check:
        raise FormatError("a damaged header")
    log["records"], base, ended = {}, log["base"] > 0, False
    while frame := read_frame(cursor, content["log key"]):
        kind, count, first, previous, body, value = frame
        if ended or previous != (base_chain if base else chain) or (kind in (2, 3)) != base:
            raise FormatError("not chained")
        if kind == 1 and first != log["revision"] + 1 or kind in (3, 4) and first != log["revision"]:
            raise FormatError("another revision")
        for revision, key, record in take_changes(kind, count, first, body):
            log["records"][key] = revision, record
        if kind == 1:
            chain, log["revision"] = value, log["revision"] + count
        base_chain, base, ended = value, base and kind != 3, kind == 4
    if base or ended != log["export"] or ended and cursor.position != len(data):
        raise FormatError("not complete")
    return log

#!/usr/bin/python3
# SPDX-FileCopyrightText: 2026 The mastersecret authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The independent reader opens the frozen fixtures: so doc/FORMAT says enough, and says what is so."""

import os
import sys
import unittest

sys.dont_write_bytecode = True
try:
    import nacl
except ImportError:
    print("python3-nacl is missing: skipped", file=sys.stderr)
    sys.exit(77)

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import reader

FIXTURES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "fixtures", "v1")


def fixture(name):
    with open(os.path.join(FIXTURES, name), "rb") as file:
        return file.read()


class Version1(unittest.TestCase):
    def setUp(self):
        self.expected = fixture("content")
        self.content = reader.parse_content(self.expected)

    def test_keyring_by_key_file(self):
        found = reader.read_keyring(fixture("keyring"), {1: fixture("keyfile")})
        self.assertEqual(found, self.expected)

    def test_keyring_by_credential(self):
        found = reader.read_keyring(fixture("keyring"), {2: fixture("credential")})
        self.assertEqual(found, self.expected)

    def test_keyring_by_passphrase(self):
        found = reader.read_keyring(fixture("keyring"), {3: b"a slot of its own"})
        self.assertEqual(found, self.expected)

    def test_keyring_by_wrong_key(self):
        with self.assertRaises(reader.FormatError):
            reader.read_keyring(fixture("keyring"), {1: bytes(32)})

    def test_backup(self):
        facts, found = reader.read_backup(fixture("backup"), b"correct horse battery")
        content = reader.parse_content(found)
        self.assertEqual(facts["hint"], "the usual, two words more")
        self.assertEqual(content["backup"], (0, 0, ""))
        content["backup"] = self.content["backup"]
        self.assertEqual(content, self.content)
        for number, generation in content["generations"].items():
            self.assertEqual(
                facts["generations"][number], reader.fingerprint(generation["secret"])
            )

    def test_content(self):
        self.assertEqual(self.content["active"], 1)
        self.assertEqual(self.content["epoch"], 1)
        self.assertEqual(self.content["backup"], (1767225600000000, 1, "/root/master.backup"))

    def test_host_and_signing_keys(self):
        from nacl.public import PrivateKey
        from nacl.signing import SigningKey

        public, secret = self.content["host key"]
        self.assertEqual(bytes(PrivateKey(secret).public_key), public)
        public, secret = self.content["signing key"]
        self.assertEqual(bytes(SigningKey(secret[:32]).verify_key), public)

    def test_record(self):
        found = reader.read_record(fixture("record"), fixture("record-key"), self.content)
        self.assertEqual(found, (0, 1, b"a frozen value"))

    def test_tombstone(self):
        found = reader.read_record(fixture("tombstone"), fixture("record-key"), self.content)
        self.assertEqual(found, (1, 2, b""))


if __name__ == "__main__":
    unittest.main()

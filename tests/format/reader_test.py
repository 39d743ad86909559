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

FIXTURES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "fixtures")
PASSPHRASE = b"correct horse battery"


class Version1(unittest.TestCase):
    folder = "v1"
    active = 1

    def fixture(self, name):
        with open(os.path.join(FIXTURES, self.folder, name), "rb") as file:
            return file.read()

    def setUp(self):
        self.expected = self.fixture("content")
        self.content = reader.parse_content(self.expected)

    def test_keyring_by_key_file(self):
        found = reader.read_keyring(self.fixture("keyring"), {1: self.fixture("keyfile")})
        self.assertEqual(found, self.expected)

    def test_keyring_by_credential(self):
        found = reader.read_keyring(self.fixture("keyring"), {2: self.fixture("credential")})
        self.assertEqual(found, self.expected)

    def test_keyring_by_passphrase(self):
        found = reader.read_keyring(self.fixture("keyring"), {3: b"a slot of its own"})
        self.assertEqual(found, self.expected)

    def test_keyring_by_wrong_key(self):
        with self.assertRaises(reader.FormatError):
            reader.read_keyring(self.fixture("keyring"), {1: bytes(32)})

    def check_backup(self, facts, content):
        self.assertEqual(facts["hint"], "the usual, two words more")
        self.assertEqual(content["backup"], (0, 0, ""))
        for name in ("backup", "backup hash", "in directory"):
            if name in self.content:
                content[name] = self.content[name]
        self.assertEqual(content, self.content)
        for number, generation in content["generations"].items():
            self.assertEqual(
                facts["generations"][number], reader.fingerprint(generation["secret"])
            )

    def test_backup(self):
        facts, content, _manifest = reader.read_backup(self.fixture("backup"), PASSPHRASE)
        self.check_backup(facts, content)

    def test_backup_by_wrong_passphrase(self):
        with self.assertRaises(reader.FormatError):
            reader.read_backup(self.fixture("backup"), b"correct horse bakery")

    def test_content(self):
        self.assertEqual(self.content["active"], self.active)
        self.assertEqual(self.content["epoch"], 1)
        self.assertEqual(
            self.content["backup"], (1767225600000000, self.active, "/root/master.backup")
        )

    def test_host_and_signing_keys(self):
        from nacl.public import PrivateKey
        from nacl.signing import SigningKey

        public, secret = self.content["host key"]
        self.assertEqual(bytes(PrivateKey(secret).public_key), public)
        public, secret = self.content["signing key"]
        self.assertEqual(bytes(SigningKey(secret[:32]).verify_key), public)

    def test_record(self):
        found = reader.read_record(self.fixture("record"), self.fixture("record-key"), self.content)
        self.assertEqual(found, (0, 1, b"a frozen value"))

    def test_tombstone(self):
        found = reader.read_record(
            self.fixture("tombstone"), self.fixture("record-key"), self.content
        )
        self.assertEqual(found, (1, 2, b""))


class Version2(Version1):
    folder = "v2"
    active = 2

    def setUp(self):
        super().setUp()
        self.private_key = reader.parse_key_text(self.fixture("recipient"), b"ms1-recipient-")

    def test_keyring_by_shares(self):
        one, two, three = self.fixture("shares").splitlines()
        for texts in ([one, two], [three, one], [two, three], [three, two, one]):
            self.assertEqual(reader.read_keyring(self.fixture("keyring"), {4: texts}), self.expected)
        share = reader.parse_share(two)
        self.assertEqual(share["realm"], self.content["realm"])
        self.assertEqual([share[name] for name in ("slot", "threshold", "count", "index")], [4, 2, 3, 2])
        with self.assertRaises(reader.FormatError):
            reader.read_keyring(self.fixture("keyring"), {4: [one]})
        with self.assertRaises(reader.FormatError):
            reader.parse_share(one[:-1] + (b"a" if one[-1:] != b"a" else b"b"))

    def test_backup_by_private_key(self):
        facts, content, manifest = reader.read_backup(
            self.fixture("backup"), private_key=self.private_key
        )
        self.check_backup(facts, content)
        self.assertEqual(facts["signer"], content["signing key"][0])
        self.assertEqual(manifest["log"], b"a log of its id\0")
        self.assertEqual(manifest["revision"], 77)
        self.assertEqual(manifest["records"], {(1, 2): 3, (2, 2): 4000000000})

    def test_backup_by_another_private_key(self):
        with self.assertRaises(reader.FormatError):
            reader.read_backup(self.fixture("backup"), private_key=bytes(32))

    def test_backup_altered(self):
        data = self.fixture("backup")
        for place in (12, len(data) // 2, len(data) - 1):
            altered = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
            with self.assertRaises(reader.FormatError):
                reader.read_backup(altered, PASSPHRASE)

    def test_hash_of_the_backup(self):
        self.assertEqual(
            self.content["backup hash"], reader.digest(self.fixture("backup"))[:16]
        )
        self.assertEqual(self.content["in directory"], 1)

    def test_life_of_the_generations(self):
        old, new = self.content["generations"][1], self.content["generations"][2]
        self.assertNotEqual(old["retired"], 0)
        self.assertEqual(new["retired"], 0)
        self.assertGreaterEqual(new["activated"], new["created"])

    def test_recipients_and_rotation(self):
        from nacl.public import PrivateKey

        (recipient,) = self.content["recipients"]
        self.assertEqual(recipient[0], bytes(PrivateKey(self.private_key).public_key))
        self.assertEqual(recipient[2], "the safe, zweiter Stock, grün")
        self.assertEqual(
            list(self.content["rotation"].values()),
            [1767225600000001, 1, 2, 1767225600000002, 30, 4, 1, 20000, 1, 1000],
        )


if __name__ == "__main__":
    unittest.main()

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


class Log(unittest.TestCase):
    """Journal and export of a whole state folder: every record opens."""

    def setUp(self):
        keyring = self.fixture("state/keyring"), {1: self.fixture("state/keyfile")}
        self.content = reader.parse_content(reader.read_keyring(*keyring))
        self.journal = reader.read_log(self.fixture("state/journal"), self.content)
        self.export = reader.read_log(self.fixture("export"), self.content)

    def fixture(self, name):
        with open(os.path.join(FIXTURES, "v1", name), "rb") as file:
            return file.read()

    def test_journal(self):
        self.assertFalse(self.journal["export"])
        self.assertEqual(self.journal["realm"], self.content["realm"])
        self.assertGreater(self.journal["revision"], 10)
        classes = {key[0] for key in self.journal["records"]}
        self.assertEqual(classes, {1, 2, 3})
        for key, (_revision, record) in self.journal["records"].items():
            reader.read_record(record, key, self.content)

    def test_anchor_is_of_this_journal(self):
        anchor = self.fixture("state/anchor")
        self.assertEqual(anchor[32:48], self.journal["id"])
        self.assertEqual(int.from_bytes(anchor[48:56], "little"), self.journal["revision"])

    def test_export_holds_what_the_journal_does(self):
        self.assertTrue(self.export["export"])
        for name in ("realm", "id", "revision"):
            self.assertEqual(self.export[name], self.journal[name])
        live = {
            key: held
            for key, held in self.journal["records"].items()
            if reader.read_record(held[1], key, self.content)[0] == 0
        }
        self.assertEqual(self.export["records"], live)
        self.assertGreater(self.export["base"], 0)

    def test_export_altered_or_shortened(self):
        data = self.fixture("export")
        for place in range(0, len(data), 97):
            altered = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
            for wrong in (altered, data[:place]):
                with self.assertRaises(reader.FormatError):
                    reader.read_log(wrong, self.content)
        with self.assertRaises(reader.FormatError):
            reader.read_log(data + b"x", self.content)


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
            [1767225600000001, 1, 1767225600000002, 30, 1, 20000],
        )


if __name__ == "__main__":
    unittest.main()

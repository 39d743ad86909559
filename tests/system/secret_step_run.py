#!/usr/bin/python3
# SPDX-FileCopyrightText: 2026 The mastersecret authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""As step_run.py, for what is done to the master secret: whole rotations, restores, slots. Values are looked up
all the while, and whatever happens: the rotation goes on after the next start, by itself, and ends; a restore
is wholly done or not at all; the backup of a generation in use is there.

  secret_step_run.py TRIALS SEED     prints one JSON object; so many of each are tried, 0 = all"""
import collections
import glob
import json
import os
import random
import shutil
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bus_client  # noqa: E402
import kill_run  # noqa: E402
import rotation_run  # noqa: E402
import step_run  # noqa: E402
from step_run import DISK, ENOSPC, FAIL, FAULTS, KILL, KILL_HALF, SYNC, WRITE  # noqa: E402

exec(bus_client.PRELUDE)  # pylint: disable=exec-used

STATE = '/var/lib/mastersecret'
KEYRING, KEYFILE, BACKUP = f'{STATE}/keyring', f'{STATE}/keyfile', '/root/restore.backup'
CONFIG, DIRECTORY = '/etc/mastersecret/mastersecretd.conf', '/srv/backups'
THINGS = ('rotate', 'back_up', 'restore_over', 'restore_sealed', 'restore_lost', 'add_slot', 'replace_slot', 'remove_slot')
KILLS = (('killed before', KILL, DISK, 0, 0), ('killed amidst', KILL_HALF, DISK, 0, 0))
FAULTS = (*(fault for fault in FAULTS if not fault[2] & step_run.SEND), ('no space once', FAIL, WRITE | SYNC, ENOSPC, 0))
ALL = (*KILLS, *FAULTS)
REFUSED = (*step_run.REFUSED, 'BackupFailed', 'BadDescriptor', 'LimitsExceeded')
MISSES, LIMIT = 4, 250


def content(path):
    try:
        with open(path, 'rb') as file:
            return file.read()
    except FileNotFoundError:
        return None


class SecretTrial(step_run.Trial):
    def __init__(self):
        rotation_run.prepare()
        super().__init__()
        self.restorable, self.trouble = None, ''
        os.mkdir(DIRECTORY, 0o700)
        shutil.chown(DIRECTORY, 'mastersecret')
        with open(CONFIG, 'a', encoding='utf-8') as file:
            file.write(f'[secret]\nbackup-directory = {DIRECTORY}\n')
        self.reader.call(ROOT, 'Manager', 'Reload', '')

    def property(self, interface, name, plain, caller=None):
        return plain((caller or self.reader).call(ROOT, 'org.freedesktop.DBus.Properties', 'Get', 'ss',
                                                  f'{OURS}.{interface}', name))

    def generation(self):
        return self.property('Manager', 'Generation', int)

    def epoch(self):
        return self.property('Manager', 'Epoch', int)

    def slots_now(self):
        """By kind."""
        found = {'keyfile': [], 'shares': []}
        for slot in self.property('Secret', 'Slots', list):
            found[str(slot[1])].append(dbus.UInt32(slot[0]))
        return found

    def look(self):
        """What nobody changes; an error is for the storage to give, another value for nothing."""
        name = random.choice(rotation_run.STABLE)
        read = self.reader.secret('stable', name)
        assert read == ('X' + name, name, rotation_run.secret_of(name)), f'{name}: {read!r}'[:200]

    def make_backup(self):
        """Of a generation once: one that holds older ones would begin a rotation when it is restored."""
        if self.restorable and self.restorable[0] == self.generation():
            return
        file = os.open(BACKUP, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        self.reader.call(ROOT, 'Secret', 'Backup', 'ssa{sh}', '', BACKUP, fds(backup=file))
        os.close(file)
        self.restorable = self.generation(), self.epoch()

    # The things done.
    def rotate(self):
        self.before = self.generation()
        rotation_run.rotate(self.caller, 0)
        self.write()
        self.watch()

    def write(self):
        """What is refused was not changed."""
        try:
            self.set()
        except dbus.DBusException as error:
            if error.get_dbus_name().replace(ERRORS, '') not in step_run.REFUSED:
                raise

    def watch(self):
        """Lookups until it has ended, says what holds it up, or the service is not ready any more."""
        deadline = time.monotonic() + step_run.PATIENCE
        while self.property('Manager', 'State', str, self.caller) == 'ready':
            now = rotation_run.status(self.caller)
            self.trouble = str(now['error'])
            if now['state'] == 'idle' or self.trouble:
                return
            assert time.monotonic() < deadline, f'{now}'
            try:
                self.look()
            except dbus.DBusException as error:
                if error.get_dbus_name().replace(ERRORS, '') not in step_run.REFUSED:
                    raise

    def restore(self):
        rotation_run.by_backup(self.caller, BACKUP, 'Restore', 'ba{sv}a{sh}', False, variants())

    restore_over = restore_sealed = restore_lost = restore

    def back_up(self):
        self.backup = str(self.caller.call(ROOT, 'Secret', 'BackupToDirectory', 's', ''))

    def add_slot(self):
        pipes = [os.pipe() for _ in range(2)]
        try:
            self.caller.call(ROOT, 'Secret', 'AddSlot', 'sua{sh}', 'shares', dbus.UInt32(2), dbus.Dictionary(
                {f'share-{i + 1}': UnixFd(write) for i, (_, write) in enumerate(pipes)}, signature='sh'))
        finally:
            for pipe in pipes:
                os.close(pipe[0])
                os.close(pipe[1])

    def replace_slot(self):
        self.caller.call(ROOT, 'Secret', 'ReplaceSlot', 'uua{sh}', self.slots['keyfile'][0], dbus.UInt32(0), fds())

    def remove_slot(self):
        self.caller.call(ROOT, 'Secret', 'RemoveSlot', 'u', self.slots['shares'][0])

    # Before each, what it needs; after each, what must be true of it.
    def prepare(self, thing):
        if thing.startswith('restore'):
            self.make_backup()
            self.epoch_before = self.epoch()
        self.slots = self.slots_now()
        while thing == 'add_slot' and self.slots['shares']:
            self.remove_slot()
            self.slots = self.slots_now()
        if thing == 'remove_slot' and not self.slots['shares']:
            self.add_slot()
            self.slots = self.slots_now()
        if thing == 'back_up':
            self.backup = None
        if thing == 'restore_sealed':
            self.reader.call(ROOT, 'Secret', 'Seal', '')
        if thing == 'restore_lost':
            kill_run.end_service(signal.SIGTERM)
            os.unlink(KEYFILE)
            self.caller.connection = None
            assert self.state() == 'sealed'
        self.keyring = content(KEYRING)

    def verdict(self, thing, outcome):
        """What is wrong, or None."""
        if thing == 'rotate':
            return self.rotated(outcome)
        if thing == 'back_up':
            return self.backed_up()
        if thing.startswith('restore'):
            return self.restored(thing, outcome)
        return self.changed_slots(thing, outcome)

    def changed_slots(self, thing, outcome):
        """A folder that could not be synced has the one or the other; what fails may leave two key file slots."""
        found, before = self.slots_now(), self.slots
        more = len(found['shares']) - len(before['shares'])
        wanted = {'add_slot': 1, 'remove_slot': -1, 'replace_slot': 0}[thing]
        if more not in ((wanted,) if outcome == 'ok' else (0, wanted)):
            return f'slots {before}, then {found}'
        if thing == 'replace_slot' and outcome == 'ok' and (
                len(found['keyfile']) != 1 or found['keyfile'] == before['keyfile']):
            return f'slots {before}, then {found}'
        return None

    def rotated(self, outcome):
        reader = self.reader
        deadline = time.monotonic() + step_run.PATIENCE
        while (now := rotation_run.status(reader))['state'] != 'idle' and time.monotonic() < deadline:
            self.look()
        census = [int(entry[0]) for entry in reader.call(ROOT, 'Secret', 'Census', '')]
        if now['state'] != 'idle' or len(census) != 1 or now['done'] != now['total'] or now['unreadable']:
            return f'{now} {census}'
        if census[0] not in ((self.before + 1,) if outcome == 'ok' else (self.before, self.before + 1)):
            return f'{census} after {self.before}'
        if census[0] == self.before:
            return None
        report = rotation_run.verify_backup(reader, rotation_run.BACKUP)
        last = report['generations'][-1]
        if int(report['unreadable']) or (int(last[0]), str(last[2])) != (census[0], 'matches'):
            return f'the backup: {last}'
        return None

    def backed_up(self):
        """What the keyring names is there, and whatever has the name of a backup is one."""
        noted = self.property('Manager', 'BackupLocation', str)
        there = glob.glob(f'{DIRECTORY}/*.backup')
        if (noted.startswith(DIRECTORY) and noted not in there) or (self.backup and noted != self.backup):
            return f'{noted} is noted instead of {self.backup}, {there} are there'
        for path in there:
            rotation_run.verify_backup(self.reader, path)
            if path != noted:
                os.unlink(path)
        return None

    def restored(self, thing, outcome):
        changed = content(KEYRING) != self.keyring
        aside = glob.glob(f'{STATE}/keyring.aside-*')
        kept = any(content(path) == self.keyring for path in aside)
        for path in aside:
            os.unlink(path)
        if changed and not kept:
            return 'the old keyring was not kept aside'
        epoch = self.epoch()
        # Of a keyring that is not open nobody knows the epoch.
        raised = (self.epoch_before if thing == 'restore_over' else self.restorable[1]) + 1
        if epoch != (raised if changed else self.epoch_before) or (outcome == 'ok' and not changed):
            return f'epoch {self.epoch_before}, then {epoch}, keyring changed: {changed}'
        return None

    def hurry(self):
        """What is held up is tried again every few seconds."""
        try:
            self.caller.call(ROOT, 'Secret', 'ResumeRotation', '')
        except (kill_run.Lost, dbus.DBusException):
            pass

    def settle_after(self, thing):
        """A restore that was not done, of keys that nothing else opens, is done again."""
        self.caller.connection = None
        if thing == 'restore_lost' and content(KEYRING) == self.keyring:
            deadline = time.monotonic() + step_run.PATIENCE
            while self.state() != 'sealed' and time.monotonic() < deadline:
                time.sleep(0.01)
            self.ensure(self.restore)
        return self.settle()


def one(trial, steps, thing, number, fault):
    """The call that was hit, or None, and what was wrong, or None."""
    trial.trouble = ''
    trial.prepare(thing)
    steps.arm(number, fault)
    try:
        outcome = step_run.attempt(trial, thing)
    except AssertionError as error:
        outcome = f'{error}'
    hit, name = steps.disarm()
    if hit and fault in FAULTS and (thing != 'rotate' or number % 2):
        kill_run.end_service(signal.SIGKILL)  # what is true is what the disk has
    elif trial.trouble:
        trial.hurry()
    did = trial.settle_after(thing)
    try:
        error = trial.verdict(thing, outcome)
    except (AssertionError, dbus.DBusException) as unexpected:
        error = f'{unexpected}'
    found = trial.found()
    for key, true in trial.truth.items():
        allowed = [true, trial.next[1]] if outcome == 'lost' and trial.next and trial.next[0] == key else [true]
        if found[key] not in allowed and not error:
            error = f'{key} is {str(found[key])[:80]} instead of {str(allowed)[:200]}'
        trial.truth[key] = found[key]
    trial.look()
    if outcome not in ('ok', 'lost', *REFUSED):
        error = error or 'an error that nobody expects'
    elif (not hit or fault[0] == 'short') and (outcome != 'ok' or trial.trouble):
        error = error or f'without a fault, or with one that can be overcome: {trial.trouble}'
    return name if hit else None, error and f'{thing}, {fault[0]} at step {number} ({name}): {outcome} {did}: {error}'


def sweep(trial, steps, thing, fault):
    """What was hit, and what was wrong. A rotation takes some more steps or some less each time."""
    tried, wrong, number, missed = collections.Counter(), [], 0, 0
    while missed < MISSES and number < LIMIT:
        name, error = one(trial, steps, thing, number, fault)
        wrong += [error] if error else []
        missed = 0 if name else missed + 1
        tried[name] += 1
        number += 1
    return tried, wrong


def sample(trial, steps, thing, fault, chance):
    number = int(chance.expovariate(1 / 12 if thing == 'rotate' else 1 / 3))
    name, error = one(trial, steps, thing, number, fault)
    return collections.Counter([name]), [error] if error else []


def main():
    trials, chance = int(sys.argv[1]), random.Random(sys.argv[2])
    steps, trial, counts, wrong = step_run.Steps(), SecretTrial(), {}, []
    begin = time.monotonic()
    for thing in sys.argv[3:] or THINGS:
        counts[thing] = {}
        for fault in chance.sample(ALL, trials) if trials else ALL:
            tried, errors = sample(trial, steps, thing, fault, chance) if trials else sweep(trial, steps, thing, fault)
            del tried[None]
            counts[thing][fault[0]] = dict(tried)
            wrong += errors
            print(f'{thing}, {fault[0]}: {dict(tried)} {errors}', file=sys.stderr, flush=True)
    print(json.dumps({'counts': counts, 'wrong': wrong, 'seconds': time.monotonic() - begin}))


if __name__ == '__main__':
    main()

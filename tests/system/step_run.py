#!/usr/bin/python3
# SPDX-FileCopyrightText: 2026 The mastersecret authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs as root in a world whose service has tests/unit/steps.c laid before the C library: does one thing
after the other, again and again, while the service is killed at, or meets a fault in, each of the
steps that it takes towards the disk and the bus for it.

  step_run.py SHARE SEED     prints one JSON object; of starts and stops SHARE of the
                             steps that fail are tried, else all"""
import json
import mmap
import os
import random
import signal
import struct
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bus_client  # noqa: E402
import kill_run  # noqa: E402

exec(bus_client.PRELUDE)  # pylint: disable=exec-used

CONTROL = '/run/steps'
OPEN, READ, WRITE, SIZE, SYNC, RENAME, UNLINK, SEND = (1 << bit for bit in range(8))
CREATE = 512
DISK = CREATE | WRITE | SIZE | SYNC | RENAME | UNLINK
KILL, KILL_HALF, FAIL, SHORT = 1, 2, 3, 4
ENOSPC, EIO, EMFILE, EROFS, EPIPE, EINTR = 28, 5, 24, 30, 32, 4
# name, action, kinds, error, all after it too
KILLS = (('killed before', KILL, DISK | SEND, 0, 0), ('killed amidst', KILL_HALF, DISK | SEND, 0, 0))
FAULTS = (('no space', FAIL, WRITE | SIZE, ENOSPC, 1), ('EIO', FAIL, WRITE | SIZE | RENAME | UNLINK, EIO, 0),
          ('a sync fails', FAIL, SYNC, EIO, 0), ('EIO of a read', FAIL, READ, EIO, 0),
          ('no descriptors', FAIL, OPEN | CREATE, EMFILE, 1),
          ('only to read', FAIL, OPEN | CREATE | RENAME | UNLINK, EROFS, 1),
          ('a send fails', FAIL, SEND, EPIPE, 0), ('short', SHORT, READ | WRITE, 0, 0),
          ('interrupted', FAIL, READ | WRITE, EINTR, 0))
# What a change may be refused with when the storage fails: nothing was changed.
REFUSED = ('StorageFailed', 'ReadOnly', 'OutOfMemory', 'LimitsExceeded', 'Rebuilding', 'Damaged',
           'Sealed', 'NoSlotOpens')
PATIENCE = 90
THINGS, LONG = ('set', 'delete_mapping', 'update', 'seal', 'stop', 'start'), ('seal', 'stop', 'start')


class Steps:
    def __init__(self):
        with open(CONTROL, 'r+b') as file:
            self.memory = mmap.mmap(file.fileno(), 64)

    def arm(self, number, fault):
        _, action, kinds, error, sticky = fault
        self.memory[:] = struct.pack('<7i36s', number, kinds, action, error, sticky, 0, 0, b'')

    def disarm(self):
        """(was it hit, the name of the call)."""
        hits, name = struct.unpack('<i36s', self.memory[24:])
        self.memory[:4] = struct.pack('<i', -1)
        return hits > 0, name.rstrip(b'\0').decode()


class Trial:
    """What is true: of each thing the last state that was acknowledged, and what it may be beside."""

    def __init__(self):
        self.caller, self.reader = kill_run.Caller('root', 'bus'), kill_run.Reader('root', 'bus')
        self.serial = 0
        self.truth = {'mapping': None, 'application': None}
        self.create()

    def unique(self):
        self.serial += 1
        return f'X{self.serial}'

    def create(self):
        for application in ('erp', 'extra'):
            self.ensure(lambda name=application: create_by(self.caller, name))
        self.truth['application'] = self.reader.application('extra')
        self.set()

    def ensure(self, call):
        """Until it is done; meanwhile the service may be on its way up."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                return call()
            except kill_run.Lost:
                assert time.monotonic() < deadline
                time.sleep(0.01)

    # The things done; each gives (what it is about, the state that it makes) or None.
    def set(self):
        external, data = self.unique(), self.unique().encode() * 700
        self.next = ('mapping', (external, data))
        pipe = given(data)
        try:
            self.caller.call(ERP, 'Application', 'SetMapping', 'ssa{ss}a{sh}', 'user:alice', external,
                             texts(), fds(password=pipe))
        finally:
            os.close(pipe)
        self.truth['mapping'] = self.next[1]

    def delete_mapping(self):
        self.next = ('mapping', None)
        if self.truth['mapping']:
            self.caller.call(ERP, 'Application', 'DeleteMapping', 's', 'user:alice')
        self.truth['mapping'] = None

    def update(self):
        text = self.unique()
        self.next = ('application', (text, *self.truth['application'][1:]))
        self.caller.call(kill_run.path_of('extra'), 'Application', 'Update', 'a{sv}',
                         variants(description=text))
        self.truth['application'] = self.next[1]

    def seal(self):
        self.caller.call(ROOT, 'Secret', 'Seal', '')
        try:
            self.unseal()
        except dbus.DBusException as error:
            # Killed after its answer, it has been started again, and starts unsealed.
            if error.get_dbus_name() != ERRORS + 'AlreadyUnsealed':
                raise

    def unseal(self):
        self.caller.call(ROOT, 'Secret', 'Unseal', 'a{sh}', fds())

    def stop(self):
        kill_run.end_service(signal.SIGTERM)

    def start(self):
        self.caller.connection = None
        self.state()

    def state(self):
        return str(self.caller.call(ROOT, 'org.freedesktop.DBus.Properties', 'Get', 'ss',
                                    OURS + '.Manager', 'State'))

    def settle(self):
        """The service in working order again by nothing but what an administrator would do: wait,
        unseal, restart. The state that it ends in, and how it got there."""
        did, deadline, sealed = [], time.monotonic() + PATIENCE, None
        while time.monotonic() < deadline:
            try:
                state = self.state()
                if state == 'ready':
                    return did
                sealed = (sealed or time.monotonic()) if state == 'sealed' else None
                # What passes is tried again by itself, in a while; what does not, never.
                if sealed and time.monotonic() > sealed + 0.5:
                    did.append('unseal')
                    self.unseal()
                if state == 'read-only':
                    did.append('restart')
                    kill_run.end_service(signal.SIGTERM)
            except (kill_run.Lost, dbus.DBusException) as error:
                did.append(str(error))
                self.caller.connection = None
            time.sleep(0.01)
        raise AssertionError(f'not ready: {did[-5:]}')

    def found(self):
        mapping = self.reader.mapping('erp', 'user:alice')
        if mapping:
            external, _, data = self.reader.secret('erp', 'alice')
            mapping = (external, data)
        return {'mapping': mapping, 'application': self.reader.application('extra')}


def create_by(caller, name):
    try:
        caller.call(ROOT, 'Applications', 'Create', 'ssa{sv}', name, 'individual',
                    variants(users=names('clerks'), enabled=True,
                             fields=fields(('user', False), ('password', True))))
    except dbus.DBusException as error:
        if not error.get_dbus_name().endswith('.ApplicationExists'):
            raise


def attempt(trial, thing):
    """'ok', 'lost', or the error's name."""
    trial.next = None
    try:
        getattr(trial, thing)()
        return 'ok'
    except kill_run.Lost:
        return 'lost'
    except dbus.DBusException as error:
        return error.get_dbus_name().replace(ERRORS, '').replace(STANDARD, '')


def one(trial, steps, thing, number, fault):
    """Was the step reached? And what was wrong, or None."""
    if thing == 'start':
        kill_run.end_service(signal.SIGKILL)
    steps.arm(number, fault)
    outcome = attempt(trial, thing)
    if thing == 'stop':
        trial.caller.connection = None
    hit, name = steps.disarm()
    did = trial.settle()
    if hit and fault in FAULTS and thing not in LONG:
        kill_run.end_service(signal.SIGKILL)  # what is true is what the disk has, not the view
    found, where = trial.found(), f'{thing}, {fault[0]} at step {number} ({name}): {outcome} {did}'
    for key, true in trial.truth.items():
        allowed = [true]
        if outcome == 'lost' and trial.next and trial.next[0] == key:
            allowed.append(trial.next[1])
        if found[key] not in allowed:
            return hit, f'{where}: {key} is {str(found[key])[:80]} instead of {str(allowed)[:200]}'
        trial.truth[key] = found[key]
    if outcome not in ('ok', 'lost', *REFUSED):
        return hit, f'{where}: an error that nobody expects'
    if not hit and outcome != 'ok':
        return hit, f'{where}: without a fault'
    # GDBM gives a new view up where a write is interrupted, which no local file system does.
    if fault[0] == 'short' or (fault[0] == 'interrupted' and thing != 'start'):
        overcome = outcome == 'ok' and not did
    else:
        overcome = True
    if hit and not overcome:
        return hit, f'{where}: not overcome'
    return hit, None


def sweep(trial, steps, thing, fault, chance, share):
    tried, number, wrong = 0, 0, []
    while number < 400:
        if share < 1 and chance.random() > share:
            number += 1
            if number > 60:
                break
            continue
        if thing == 'delete_mapping' and trial.truth['mapping'] is None:
            trial.ensure(trial.set)
        hit, error = one(trial, steps, thing, number, fault)
        wrong += [error] if error else []
        if not hit:
            break
        tried += 1
        number += 1
    return tried, wrong


def main():
    share, chance = float(sys.argv[1]), random.Random(sys.argv[2])
    steps, trial, counts, wrong = Steps(), Trial(), {}, []
    begin = time.monotonic()
    for thing in THINGS:
        trial.ensure(trial.set)
        for fault in (*KILLS, *FAULTS):
            tried, errors = sweep(trial, steps, thing, fault, chance,
                                  share if fault in FAULTS and thing in LONG else 1)
            counts[f'{thing}, {fault[0]}'] = tried
            wrong += errors
    print(json.dumps({'counts': counts, 'wrong': wrong, 'seconds': time.monotonic() - begin}))


if __name__ == '__main__':
    main()

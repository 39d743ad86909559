#!/usr/bin/python3
# SPDX-FileCopyrightText: 2026 The mastersecret authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs as root in a world: one rotation after the other, with callers that write (kill_run.py) and callers that
look up, while the service is killed in each of the steps in turn.

  rotation_run.py TIMES SEED     prints one JSON object: counts, and what was wrong"""
import json
import os
import random
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bus_client  # noqa: E402
import kill_run  # noqa: E402

exec(bus_client.PRELUDE)  # pylint: disable=exec-used

STEPS = ('backup', 'switch', 'walk', 'proof', 'retire', 'compact', 'idle')
STABLE = [f's{i:03}' for i in range(150)]
BACKUP = '/root/rotation.backup'
RATES = (300, 3000, 0)


def secret_of(name):
    return f'secret of {name}'.encode() * 5


def status(caller):
    return {str(key): value for key, value in caller.call(
        ROOT, 'org.freedesktop.DBus.Properties', 'Get', 'ss', OURS + '.Secret', 'Rotation').items()}


def rotate(caller, rate, **options):
    """To the recipient, since a passphrase would take most of the time; a file of its own for each attempt."""
    if os.path.exists(BACKUP):
        os.unlink(BACKUP)
    file = os.open(BACKUP, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        return int(caller.call(ROOT, 'Secret', 'Rotate', 'a{sv}a{sh}',
                               variants(rate=dbus.UInt32(rate), **options),
                               fds(backup=file)))
    finally:
        os.close(file)


class Member(kill_run.Writer):
    """Has nothing to be verified after a kill, but what it noted itself."""
    keys = ()

    def end(self):
        pass


class Looker(Member):
    """What nobody changes is the same before, during and after."""

    def __init__(self, number, door, seed):
        super().__init__(number, 'root', door, seed)
        self.reader = kill_run.Reader('root', door)

    def step(self):
        name = self.random.choice(STABLE)
        read = self.reader.secret_once('stable', name)
        if read != ('X' + name, name, secret_of(name)):
            self.wrong.append(f'{name}: {read!r}'[:300])
        self.acknowledged += 1

    def verify(self):
        self.reader.secret('stable', self.random.choice(STABLE))

    def end(self):
        for name in STABLE:
            if self.reader.secret('stable', name) != ('X' + name, name, secret_of(name)):
                self.wrong.append(f'{name} at the end')


class Rotator(Member):
    def step(self):
        now = status(self.caller)
        if now['state'] in ('idle', 'failed'):
            try:
                rotate(self.caller, self.random.choice(RATES))
                self.acknowledged += 1
            except dbus.DBusException as error:
                if error.get_dbus_name() != ERRORS + 'RotationRunning':
                    raise
        if now['error'] or now['unreadable']:
            self.wrong.append(f'{now}'[:600])
        time.sleep(0.01)

    def end(self):
        """A last one, to its end: there is one generation left, and nothing of another."""
        reader = kill_run.Reader('root', 'bus')
        reader.call(ROOT, 'Secret', 'SetRotationRate', 'u', 0)
        deadline = time.monotonic() + 120
        while status(reader)['state'] != 'idle' and time.monotonic() < deadline:
            time.sleep(0.05)
        last = rotate(reader, 0)
        while (now := status(reader))['state'] != 'idle' and time.monotonic() < deadline:
            time.sleep(0.05)
        census = reader.call(ROOT, 'Secret', 'Census', '')
        if now['state'] != 'idle' or [int(entry[0]) for entry in census] != [last]:
            self.wrong.append(f'{now} {census}'[:600])
        if now['done'] != now['total'] or now['unreadable'] or int(now['to']) != last:
            self.wrong.append(f'{now}'[:600])


def prepare():
    kill_run.prepare()
    with open('/etc/passwd', 'a', encoding='utf-8') as file:
        for number, name in enumerate(STABLE):
            file.write(f'{name}:x:{22000 + number}:20011::/nonexistent:/bin/false\n')
    door = Door()
    made = subprocess.run(['mastersecret', 'secret', 'recipient', 'new', '--private-file', '/root/recipient.key', '--json'],
                          stdout=subprocess.PIPE, check=True).stdout
    door.call(ROOT, 'Secret', 'AddRecipient', 'ss', 'drawer', json.loads(made)['public'])
    assert create(door, 'stable') == 'ok'
    for name in STABLE:
        door.call(kill_run.path_of('stable'), 'Application', 'SetMapping', 'ssa{ss}a{sh}',
                  f'user:{name}', 'X' + name, texts(client=name), fds(password=given(secret_of(name))))


def await_step(caller, wanted, seconds=6):
    """The step that it is in then."""
    end, now = time.monotonic() + seconds, ''
    while time.monotonic() < end and now != wanted:
        try:
            now = str(status(caller)['state'])
        except kill_run.Lost:
            pass
    return now


def rounds(crew, times, chance):
    caller = kill_run.Reader('root', 'direct')
    killed = {}
    while sum(killed.values()) < times:
        crew.tell('run')
        step = await_step(caller, chance.choice(STEPS))
        time.sleep(chance.choice((0, chance.uniform(0, 0.003), chance.expovariate(1 / 0.05))))
        if kill_run.end_service(signal.SIGKILL):
            killed[step] = killed.get(step, 0) + 1
        results = crew.results()
        crew.tell('verify')
        if chance.random() < 0.2:
            time.sleep(chance.uniform(0, 0.12))
            if kill_run.end_service(signal.SIGKILL):
                killed['start'] = killed.get('start', 0) + 1
        results = crew.results()
        if any(result['wrong'] for result in results):
            break
    return killed


def main():
    times, seed = int(sys.argv[1]), sys.argv[2]
    prepare()
    crew = kill_run.Crew([*kill_run.writers(seed), Looker(6, 'direct', seed), Looker(7, 'bus', seed),
                          Rotator(8, 'root', 'bus', seed)])
    begin = time.monotonic()
    killed = rounds(crew, times, random.Random(seed))
    crew.tell('end')
    results = crew.results()
    print(json.dumps({
        'killed': killed, 'seconds': time.monotonic() - begin,
        'acknowledged': [result['acknowledged'] for result in results],
        'rotations': int(status(kill_run.Reader('root', 'bus'))['to']) - 1,
        'wrong': [text for result in results for text in result['wrong']]}))


if __name__ == '__main__':
    main()

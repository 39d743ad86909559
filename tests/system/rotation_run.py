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
MOMENTS = ('switch', 'retire') # killed at once, or they are over
STABLE = [f's{i:03}' for i in range(150)]
BACKUP, PRIVATE = '/root/rotation.backup', '/root/recipient.key'
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


def by_backup(caller, path, member, signature, *arguments):
    """A method that wants a backup and what opens it."""
    with open(PRIVATE, 'rb') as key, open(path, 'rb') as file:
        pipe = given(key.read())
        try:
            return caller.call(ROOT, 'Secret', member, signature, *arguments, dbus.Dictionary(
                {'backup': UnixFd(file.fileno()), 'private-key': UnixFd(pipe)}, signature='sh'))
        finally:
            os.close(pipe)


def verify_backup(caller, path):
    return by_backup(caller, path, 'VerifyBackup', 'a{sh}')


class Member(kill_run.Writer):
    """Has nothing to be verified after a kill, but what it noted itself."""
    keys = ()

    def end(self):
        pass


class Looker(Member):
    """What nobody changes is the same before, during and after. Nothing fails but what a kill cuts off, and that
    succeeds when it is asked again."""

    def __init__(self, number, door, seed):
        super().__init__(number, 'root', door, seed)
        self.reader, self.name = kill_run.Reader('root', door), STABLE[0]

    def look(self, secret):
        read = secret('stable', self.name)
        if read != ('X' + self.name, self.name, secret_of(self.name)):
            self.wrong.append(f'{self.name}: {read!r}'[:300])

    def run(self, stop):
        """Only the next service, on its way up, may say that it is not ready yet."""
        pids, self.reader.patience = kill_run.service_pids(), 0
        try:
            super().run(stop)
        except dbus.DBusException as error:
            self.doubtful += 1
            if kill_run.service_pids() == pids:
                self.wrong.append(f'{self.name}: {error}')
        self.reader.patience = kill_run.PATIENCE

    def step(self):
        self.name = self.random.choice(STABLE)
        self.look(self.reader.secret_once)
        self.acknowledged += 1

    def verify(self):
        self.look(self.reader.secret)

    def end(self):
        for self.name in STABLE:
            self.look(self.reader.secret)


class Rotator(Member):
    def step(self):
        now = status(self.caller)
        if now['state'] in ('idle', 'failed'):
            try:
                rotate(self.caller, self.random.choice(RATES))
                self.acknowledged += 1
                self.verify_backup(self.caller)
            except dbus.DBusException as error:
                if error.get_dbus_name() != ERRORS + 'RotationRunning':
                    raise
        if now['error'] or now['unreadable']:
            self.wrong.append(f'{now}'[:600])
        time.sleep(0.01)

    def verify_backup(self, caller):
        """It holds what is needed, read beside all that goes on."""
        report = verify_backup(caller, BACKUP)
        if report['unreadable'] or not any(one[2] == 'matches' for one in report['generations']):
            self.wrong.append(f'the backup: {report}'[:600])

    def end(self):
        """A last one, to its end: there is one generation left, and nothing of another."""
        reader = kill_run.Reader('root', 'bus')
        reader.call(ROOT, 'Secret', 'SetRotationRate', 'u', 0)
        deadline = time.monotonic() + 300
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
        # Every record, with its value, against the view's counters; and the backup against all of it.
        findings = reader.call(ROOT, 'Secret', 'Check', 'b', True)
        self.wrong += [f'{finding}' for finding in findings if finding[0] == 'error']
        self.verify_backup(reader)


def prepare():
    kill_run.prepare()
    with open('/etc/passwd', 'a', encoding='utf-8') as file:
        for number, name in enumerate(STABLE):
            file.write(f'{name}:x:{22000 + number}:20011::/nonexistent:/bin/false\n')
    door = Door()
    made = subprocess.run(['mastersecret', 'secret', 'recipient', 'new', '--private-file', PRIVATE, '--json'],
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
        pids, step = kill_run.service_pids(), await_step(caller, chance.choice(STEPS))
        if step not in MOMENTS and chance.random() < 0.67:
            time.sleep(chance.choice((chance.uniform(0, 0.003), chance.expovariate(1 / 0.05))))
            step = str(status(caller)['state'])
        if kill_run.end_service(signal.SIGKILL, pids):
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

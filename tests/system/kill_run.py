#!/usr/bin/python3
# SPDX-FileCopyrightText: 2026 The mastersecret authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs as root in a world: several callers write by both doors while the service is ended again and
again. Each caller knows what was acknowledged; after each end it reads all of it back.

  kill_run.py SIGNAL TIMES SEED      prints one JSON object: counts, and what was wrong"""
import json
import mmap
import os
import random
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bus_client  # noqa: E402

exec(bus_client.PRELUDE)  # pylint: disable=exec-used

TEAM, APPS = ROOT + '/application/team', ('erp', 'shop', 'crm')
PEOPLE, SPARE = [f'w{i:02}' for i in range(16)], [f'spare{i}' for i in range(4)]
LOST = ('NoReply', 'Disconnected', 'ServiceUnknown', 'NameHasNoOwner', 'NoServer', 'FileNotFound',
        'Failed', 'IOError', 'Timeout', 'TimedOut')
# The service says that nothing was done; try again.
NOT_YET = ('Rebuilding', 'Sealed', 'Unreachable')
PATIENCE = 60


class Lost(Exception):
    """The answer never came: what was asked for may have happened or not."""


def path_of(application):
    return f'{ROOT}/application/{application}'


class Caller:
    """One connection that is made anew when it is gone."""

    def __init__(self, user, door):
        self.user, self.door, self.connection = user, door, None
        self.patience = PATIENCE

    def call(self, path, interface, member, signature, *arguments):
        deadline = time.monotonic() + self.patience
        while True:
            try:
                return self.once(path, interface, member, signature, arguments)
            except dbus.DBusException as error:
                name = (error.get_dbus_name() or 'Failed').replace(ERRORS, '')
                if name not in NOT_YET or time.monotonic() > deadline:
                    raise
                time.sleep(0.005)

    def once(self, path, interface, member, signature, arguments):
        try:
            if not self.connection:
                self.connection = connect_as(self.user, self.door)
            return self.connection.call(path, interface, member, signature, *arguments)
        except dbus.DBusException as error:
            name = (error.get_dbus_name() or STANDARD + 'Failed').replace(STANDARD, '')
            if name in LOST or name.startswith('Spawn.'):
                self.connection = None
                raise Lost(name) from error
            if name == ERRORS + 'OutcomeUnknown':
                raise Lost(name) from error
            raise


class Reader(Caller):
    """Root, who may read and is every application's agent; reading is repeated until it succeeds."""

    def call(self, *arguments):
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                return super().call(*arguments)
            except Lost:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.005)

    def mapping(self, application, account):
        """(external user, client, state), or None."""
        try:
            shown = self.call(path_of(application), 'Application', 'ShowMapping', 's', account)
        except dbus.DBusException as error:
            if error.get_dbus_name() == ERRORS + 'MappingNotFound':
                return None
            raise
        return (str(shown['external-user']), str(shown['plain'].get('client', '')),
                str(shown['state']))

    def secret(self, application, user):
        """A pipe for each attempt: one whose reply was lost may have been written to."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                return self.secret_once(application, user)
            except Lost:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.005)

    def secret_once(self, application, user):
        read, write = os.pipe()
        with open(read, 'rb') as value:
            try:
                external, plain, _ = Caller.call(self, ROOT, 'Credentials', 'Lookup', 'ssa{sh}',
                                                 application, user, fds(password=write))
            finally:
                os.close(write)
            return str(external), str(plain.get('client', '')), value.read()

    def application(self, name):
        """(description, enabled, labels), or None."""
        try:
            all_ = self.call(path_of(name), 'org.freedesktop.DBus.Properties', 'GetAll', 's',
                             OURS + '.Application')
        except dbus.DBusException as error:
            if error.get_dbus_name() in (ERRORS + 'ApplicationNotFound', STANDARD + 'UnknownObject'):
                return None
            raise
        return (str(all_['Description']), bool(all_['Enabled']),
                tuple(str(label) for label, _ in all_['Fields']))


class Writer:
    """Owns some keys. state[key] is what was acknowledged; doubt is (key, state it may have too)."""

    def __init__(self, number, user, door, seed):
        self.random = random.Random(f'{seed} {number}')
        self.caller, self.reader = Caller(user, door), Reader('root', 'bus')
        self.state, self.doubt, self.wrong = {}, None, []
        self.acknowledged = self.doubtful = self.happened = self.serial = 0
        self.number = number
        self.previous = {}

    def unique(self):
        self.serial += 1
        return f'{self.number}-{self.serial}'

    def bytes(self):
        size = self.random.choice((1, 12, 12, 300, 5000, 50000))
        return self.unique().encode() + self.random.randbytes(size)

    def step(self):
        key = self.random.choice(self.keys)
        old = self.state.get(key)
        new, arguments, data = self.plan(key, old)
        pipe = given_to(data)
        if pipe is not None:
            arguments = (*arguments, fds(password=pipe))
        try:
            self.caller.call(*arguments)
        except Lost:
            self.doubt = (key, new)
            raise
        finally:
            if pipe is not None:
                os.close(pipe)
        self.state[key] = new
        self.acknowledged += 1

    def run(self, stop):
        try:
            while not stop[0]:
                self.step()
        except Lost:
            self.doubtful += 1

    def verify(self):
        for key in self.keys:
            allowed = [self.state.get(key)]
            if self.doubt and self.doubt[0] == key:
                allowed.append(self.doubt[1])
            found = self.look(key, allowed)
            if found == 'neither':
                continue
            self.happened += len(allowed) > 1 and found is allowed[1]
            self.state[key] = found
        self.doubt = None

    def fail(self, key, allowed, seen):
        self.wrong.append(f'{self.number} {key}: {seen!r} instead of {allowed!r}'[:600])
        return 'neither'


def given_to(data):
    return None if data is None else given(data)


class Mappings(Writer):
    """States: (external user, client, state, secret) or None."""

    def __init__(self, number, user, door, seed, keys, disabled):
        super().__init__(number, user, door, seed)
        self.keys, self.disabled = keys, disabled

    def plan(self, key, old):
        application, account = key
        path, roll = path_of(application), self.random.random()
        if old is None or roll < 0.55:
            external, client, data = 'X' + self.unique(), self.unique(), self.bytes()
            if old:
                self.previous[key] = old[0]
            new = (external, client, old[2] if old else 'enabled', data)
            return new, (path, 'Application', 'SetMapping', 'ssa{ss}a{sh}', account, external,
                         texts(client=client)), data
        if roll < 0.70:
            self.previous[key] = old[0]
            return None, (path, 'Application', 'DeleteMapping', 's', account), None
        word = 'Disable' if old[2] == 'enabled' else 'Enable'
        state = self.disabled if old[2] == 'enabled' else 'enabled'
        return (*old[:2], state, old[3]), (path, 'Application', word + 'Mapping', 's', account), None

    def look(self, key, allowed):
        seen = self.reader.mapping(*key)
        for state in allowed:
            if seen == (state and state[:3]):
                break
        else:
            return self.fail(key, [a and a[:3] for a in allowed], seen)
        if state and state[2] == 'enabled' and key[1].startswith('user:'):
            read = self.reader.secret(key[0], key[1][5:])
            if read != (state[0], state[1], state[3]):
                return self.fail(key, [state[:2]], (*read[:2], 'another secret'))
        return state

    def end(self):
        """Each secret decrypts, of the disabled too; names taken are taken, those let go are free."""
        root = Caller('root', 'bus')
        for key, state in self.state.items():
            application, account = key
            if state and state[2] != 'enabled':
                root.call(path_of(application), 'Application', 'EnableMapping', 's', account)
                self.state[key] = (*state[:2], 'enabled', state[3])
            self.look(key, [self.state[key]])
            if application == 'team':
                continue
            taken, free = state and state[0], self.previous.get(key)
            # The last change may have been lost.
            self.reserved(root, application, taken, free if free != taken else None)
            self.look(key, [self.state[key]])

    def reserved(self, root, application, taken, free):
        def attempt(external):
            pipe = given(b'x')
            try:
                root.call(path_of(application), 'Application', 'SetMapping', 'ssa{ss}a{sh}',
                          f'user:spare{self.number}', external, texts(), fds(password=pipe))
                return 'ok'
            except dbus.DBusException as error:
                return error.get_dbus_name().replace(ERRORS, '')
            finally:
                os.close(pipe)
        for external, wanted in ((taken, 'ExternalUserTaken'), (free, 'ok')):
            outcome = attempt(external) if external else wanted
            if outcome != wanted:
                self.wrong.append(f'{application}: {external} for another user: {outcome}')


class Applications(Writer):
    """States: (description, enabled, labels, alice's (external user, secret)) or None. The external
    user is another one each time: it tells two values apart while the application is disabled and
    nothing can be looked up."""

    def __init__(self, number, user, door, seed):
        super().__init__(number, user, door, seed)
        self.keys = [f'a{i}' for i in range(5)]

    def plan(self, key, old):
        path, roll = path_of(key), self.random.random()
        if old is None:
            text = self.unique()
            definition = {'users': names('clerks'), 'enabled': True, 'description': text,
                          'fields': fields(('user', False), ('password', True))}
            return (text, True, ('user', 'password'), None), (
                ROOT, 'Applications', 'Create', 'ssa{sv}', key, 'individual', variants(**definition)), None
        text, enabled, labels, secret = old
        if roll < 0.15:
            return None, (path, 'Application', 'Delete', ''), None
        if roll < 0.45:
            data, external = self.bytes(), 'X' + self.unique()
            return (text, enabled, labels, (external, data)), (
                path, 'Application', 'SetMapping', 'ssa{ss}a{sh}', 'user:alice', external, texts()), data
        if roll < 0.65:
            return (text, not enabled, labels, secret), (
                path, 'Application', 'Disable' if enabled else 'Enable', ''), None
        if roll < 0.75 and len(labels) < 12:
            label = 'f' + self.unique()
            return (text, enabled, (*labels, label), secret), (
                path, 'Application', 'AddField', 'sb', label, True), None
        text = self.unique()
        return (text, enabled, labels, secret), (
            path, 'Application', 'Update', 'a{sv}', variants(description=text)), None

    def look(self, key, allowed):
        seen = self.reader.application(key)
        mapping = self.reader.mapping(key, 'user:alice') if seen else None
        secret = self.reader.secret(key, 'alice')[2] if mapping and seen[1] else None
        for state in allowed:
            if seen != (state and state[:3]):
                continue
            if state is None or (mapping is None and state[3] is None):
                return state
            if mapping and state[3] and mapping[0] == state[3][0] and secret in (state[3][1], None):
                return state
        return self.fail(key, [a and (*a[:3], a[3] and 'a secret') for a in allowed],
                         (seen, mapping, secret and f'a secret of {len(secret)} bytes, these have '
                          f'{[len(a[3][1]) for a in allowed if a and a[3]]}'))

    def end(self):
        root = Caller('root', 'bus')
        for key, state in self.state.items():
            if state and not state[1]:
                root.call(path_of(key), 'Application', 'Enable', '')
                self.state[key] = (state[0], True, *state[2:])
            self.look(key, [self.state[key]])


def writers(seed):
    own = [(application, 'user:%s') for application in APPS]
    others = [(application, f'user:{person}') for person in PEOPLE[:4] for application in APPS]
    team = [('team', 'group:clerks'), ('team', 'group:appadmins'), ('team', 'user:w08')]
    return [Mappings(0, 'alice', 'direct', seed, [(a, u % 'alice') for a, u in own], 'disabled'),
            Mappings(1, 'bob', 'bus', seed, [(a, u % 'bob') for a, u in own], 'disabled'),
            Mappings(2, 'carol', 'direct', seed, others[:6], 'disabled-by-administrator'),
            Mappings(3, 'carol', 'bus', seed, others[6:], 'disabled-by-administrator'),
            Mappings(4, 'root', 'direct', seed, team, 'disabled-by-administrator'),
            Applications(5, 'root', 'bus', seed)]


def serve(writer, stop, begun, commands, results):
    """A writer's process: does what it is told, one line each way."""
    verbs = {'run': lambda: writer.run(stop), 'verify': writer.verify, 'end': writer.end}
    for line in commands:
        begun[writer.number] = 1
        try:
            verbs[line.strip()]()
        except Exception as error:  # pylint: disable=broad-except
            writer.wrong.append(f'{writer.number}: {line.strip()}: {type(error).__name__} {error}'[:600])
        results.write(json.dumps({'acknowledged': writer.acknowledged, 'doubtful': writer.doubtful,
                                  'happened': writer.happened, 'wrong': writer.wrong}) + '\n')
        results.flush()
    os._exit(0)


class Crew:
    def __init__(self, crew):
        self.stop, self.begun = mmap.mmap(-1, 1), mmap.mmap(-1, len(crew))
        self.members = []
        for writer in crew:
            (command, to), (result, out) = os.pipe(), os.pipe()
            if os.fork() == 0:
                for other in self.members:
                    other[0].close()
                os.close(to)
                serve(writer, self.stop, self.begun, open(command, encoding='utf-8'), open(out, 'w', encoding='utf-8'))
            os.close(command)
            os.close(out)
            self.members.append((open(to, 'w', encoding='utf-8'), open(result, encoding='utf-8')))

    def tell(self, verb):
        """All of them are at it when this returns: a busy machine does not get round to each at once."""
        self.stop[0], self.begun[:] = 0, bytes(len(self.begun))
        for commands, _ in self.members:
            commands.write(verb + '\n')
            commands.flush()
        deadline = time.monotonic() + PATIENCE
        while 0 in self.begun[:] and time.monotonic() < deadline:
            time.sleep(0.001)

    def results(self):
        self.stop[0] = 1
        return [json.loads(results.readline()) for _, results in self.members]


def service_pids():
    found = []
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            with open(f'/proc/{pid}/comm', encoding='utf-8') as file:
                if file.read().startswith('mastersecretd'):
                    found.append(int(pid))
        except OSError:
            pass
    return found


def end_service(number, pids=()):
    """True if there was one."""
    ended = False
    for pid in pids or service_pids():
        try:
            os.kill(pid, number)
            ended = True
            deadline = time.monotonic() + PATIENCE
            while os.path.exists(f'/proc/{pid}') and time.monotonic() < deadline:
                time.sleep(0.001)
        except ProcessLookupError:
            pass
    return ended


def prepare():
    with open('/etc/passwd', 'a', encoding='utf-8') as file:
        for number, name in enumerate((*PEOPLE, *SPARE)):
            file.write(f'{name}:x:{21000 + number}:20011::/nonexistent:/bin/false\n')
    door = Door()
    for name in APPS:
        assert create(door, name) == 'ok'
    assert create(door, 'team', 'group',
                  users=names('user:w08', 'clerks', 'appadmins')) == 'ok'


def rounds(crew, number, times, chance):
    """Kills at a random moment of writing, and one time in four once more at one of the start after it."""
    killed = 0
    while killed < times:
        crew.tell('run')
        time.sleep(chance.expovariate(1 / 0.08))
        killed += end_service(number)
        results = crew.results()
        crew.tell('verify')
        if number == signal.SIGKILL and chance.random() < 0.25 and killed < times:
            time.sleep(chance.uniform(0, 0.12))
            killed += end_service(number)
        results = crew.results()
        if any(result['wrong'] for result in results):
            break
    return killed


def main():
    number, times, seed = getattr(signal, 'SIG' + sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    prepare()
    crew = Crew(writers(seed))
    begin = time.monotonic()
    killed = rounds(crew, number, times, random.Random(seed))
    crew.tell('end')
    results = crew.results()
    print(json.dumps({
        'killed': killed, 'seconds': time.monotonic() - begin,
        'acknowledged': [result['acknowledged'] for result in results],
        'doubtful': sum(result['doubtful'] for result in results),
        'happened': sum(result['happened'] for result in results),
        'wrong': [text for result in results for text in result['wrong']]}))


if __name__ == '__main__':
    main()

# SPDX-FileCopyrightText: 2026 The mastersecret authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one client can take from the others: connections, memory, time, guesses. Everything it took
comes back when it is gone."""
import os
import statistics
import subprocess

import pytest

import bus_client
from conftest import wait_until

pytestmark = pytest.mark.service

LATENCY = '''
door, times = Door(DOOR), []
for turn in range(200):
    begin = time.monotonic()
    assert lookup(door) == 'secret'
    times.append(time.monotonic() - begin)
answer(times)
'''


@pytest.fixture(name='furnished', scope='module')
def make_furnished(shared_world):
    assert bus_client.run(shared_world, '''
door = Door()
answer([create(door), create(door, 'pipes'), set_mapping(door, 'user:alice', 'ALICE01'),
        set_mapping(door, 'user:bob', 'BOB01')])''') == ['ok'] * 4
    return shared_world


def held(world):
    """KiB and descriptors that the service holds."""
    pid = world.service_pid()
    status = world.read(f'/proc/{pid}/status')
    return (int(status.split('VmRSS:')[1].split()[0]),
            len(os.listdir(world.path(f'/proc/{pid}/fd'))))


def latency(world, door):
    return statistics.median(bus_client.run(world, f'DOOR = {door!r}\n' + LATENCY, 'alice')) * 1e6


def background(world, code, user='bob'):
    process = subprocess.Popen(
        world.command(['/usr/bin/python3', '-c', bus_client.PRELUDE + bus_client.RAW + code], user),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == 'up\n'
    return process


def end(process):
    process.stdin.close()
    process.wait(timeout=120)
    process.stdout.close()


def comes_back(world, before, kilobytes=8192):
    wait_until(lambda: held(world)[1] <= before[1] + 2, 'the descriptors to come back')
    # A sanitizer keeps what was freed.
    wait_until(lambda: world.sanitized or held(world)[0] <= before[0] + kilobytes, f'the memory of {before} to come back')
    print(f'before {before}, after {held(world)}')


@pytest.mark.parametrize('kind', ('silent', 'half', 'authenticated'))
def test_a_thousand_connections(furnished, kind):
    """Silent, half way through the authentication, or open and idle."""
    before, alone = held(furnished), latency(furnished, 'direct')
    process = background(furnished, f'''
kind, clients = {kind!r}, []
for number in range(1000):
    client = raw(authenticate=kind == 'authenticated')
    if kind == 'half':
        client.sendall(b'\\0AUTH EXTERNAL 3')
    clients.append(client)
print('up', flush=True)
sys.stdin.read()
''')
    crowded = latency(furnished, 'direct')
    print(f'{kind}: p50 alone {alone:.0f} us, beside 1000 {crowded:.0f} us, {held(furnished)}')
    assert bus_client.run(furnished, "answer(lookup(Door('bus')))", 'alice') == 'secret'
    end(process)
    comes_back(furnished, before)


@pytest.mark.parametrize('door', ('bus', 'direct'))
def test_a_flood_that_is_not_read(furnished, door):
    """Long answers asked for as fast as possible and never read, by this door."""
    before, alone = held(furnished), latency(furnished, door)
    ask = '''
connection = None
if DOOR == 'direct':
    client = raw()
    destination = b''
else:
    client = socket.socket(socket.AF_UNIX)
    client.connect('/run/dbus/system_bus_socket')
    client.sendall(b'\\0AUTH EXTERNAL ' + str(os.getuid()).encode().hex().encode() + b'\\r\\n')
    client.recv(1000)
    client.sendall(b'BEGIN\\r\\n' + message(1, b'/org/freedesktop/DBus', b'org.freedesktop.DBus', b'Hello',
                                            destination=b'org.freedesktop.DBus'))
    client.recv(4096)
    destination = OURS.encode()
calls = b''.join(message(i + 2, ROOT.encode(), b'org.freedesktop.DBus.Introspectable', b'Introspect',
                         destination=destination) for i in range(200))
client.setblocking(False)
print('up', flush=True)
sent, deadline = 0, time.monotonic() + 5
while time.monotonic() < deadline and not select.select([sys.stdin], [], [], 0)[0]:
    try:
        sent += client.send(calls)
    except BlockingIOError:
        time.sleep(0.001)
    except OSError:
        break
print(sent)
'''
    process = background(furnished, f'DOOR = {door!r}\n' + ask)
    flooded, most = latency(furnished, door), held(furnished)
    other = latency(furnished, 'direct' if door == 'bus' else 'bus')
    sent = int(process.stdout.readline())
    end(process)
    print(f'{door}: p50 alone {alone:.0f} us, flooded {flooded:.0f} us, by the other door {other:.0f} us, '
          f'{sent} bytes sent, {most}')
    assert sent > 20000
    assert furnished.sanitized or most[0] < before[0] + 65536
    comes_back(furnished, before, 16384)


@pytest.mark.parametrize('door', ('bus', 'direct'))
def test_pipes_that_never_end(furnished, door):
    """Calls that wait for a pipe are bounded per user; another user does not wait for them."""
    before = held(furnished)
    process = background(furnished, f'''
import dbus.lowlevel
doors = [Door({door!r}) for turn in range(4)]
for number in range(400):
    read, write = os.pipe()
    KEPT.append(write)
    call = dbus.lowlevel.MethodCallMessage(OURS if doors[0].door == 'bus' else None, ROOT + '/application/pipes',
                                           OURS + '.Application', 'SetMapping')
    call.append('', 'X', texts(), fds(password=read), signature='ssa{{ss}}a{{sh}}')
    doors[number % 4].connection.send_message(call)
    doors[number % 4].connection.flush()
    os.close(read)
print('up', flush=True)
sys.stdin.read()
''')
    assert bus_client.run(furnished, f'door = Door({door!r}); answer([lookup(door), set_mapping(door, "", "")])',
                          'alice') == ['secret', 'ok']
    end(process)
    # What was freed may stay with the allocator: kilobytes-per-user, and as much again.
    comes_back(furnished, before, 32768)


@pytest.mark.parametrize('door', ('bus', 'direct'))
def test_guesses_are_limited_for_caller_and_user(furnished, door):
    """For each caller and user alone; the right answer does not open what is shut, and time does."""
    def forgive(per_minute):
        """Little while it is guessed: a busy machine takes its time for that."""
        furnished.write(furnished.config, f'[limits]\nverify-failures = 5\nverify-per-minute = {per_minute}\n')
        furnished.run('busctl call org.mastersecret1 /org/mastersecret1 org.mastersecret1.Manager Reload')
    user, other = ('alice', 'bob') if door == 'bus' else ('bob', 'alice')
    forgive(100000)  # what was guessed before: of all that a first one is left
    assert bus_client.run(furnished, "answer([verify(Door(), b'guess', user) for user in ('alice', 'bob')])") == [False] * 2
    forgive(1)
    assert bus_client.run(furnished, f'''
door = Door({door!r})
guesses = [verify(door, b'guess', {user!r}) for turn in range(12)]
answer([guesses[:4], guesses[9:], verify(door, b'secret', {user!r}), verify(door, b'secret', {other!r})])
''') == [[False] * 4, ['LimitsExceeded'] * 3, 'LimitsExceeded', True]
    forgive(30)
    wait_until(lambda: bus_client.run(furnished, f"answer(verify(Door({door!r}), b'secret', {user!r}))") is True, 'time to open')
    forgive(1)
    # The user is not shut out by it.
    assert bus_client.run(furnished, f"answer(verify(Door({door!r}), b'secret'))", user) is True
    # A new connection is no new caller.
    assert bus_client.run(furnished, '''
answer([verify(Door(DOORS[turn % 2]), b'guess') for turn in range(12)][-1])''',
                          user) == 'LimitsExceeded'


def test_requests_per_second(furnished):
    furnished.write(furnished.config, '[limits]\nrequests-per-second = 10\n')
    furnished.run('busctl call org.mastersecret1 /org/mastersecret1 org.mastersecret1.Manager Reload')
    try:
        assert bus_client.run(furnished, '''
door, end = Door('direct'), time.monotonic() + 60
results = {lookup(door) for turn in range(20)}
while 'LimitsExceeded' not in results and time.monotonic() < end:
    results.add(lookup(door))
time.sleep(1)
answer([sorted(results), lookup(door)])''', 'alice') == [['LimitsExceeded', 'secret'], 'secret']
        assert bus_client.run(furnished, "answer(lookup(Door('direct')))", 'bob') == 'secret'
    finally:
        furnished.write(furnished.config, '')
        furnished.run(f'kill -HUP {furnished.service_pid()}')

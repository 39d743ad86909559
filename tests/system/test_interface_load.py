# SPDX-FileCopyrightText: 2026 The mastersecret authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients that flood, never read, never authenticate or send rubbish; a bus that goes away; ends by
signals; a configuration that is wrong. Whoever behaves is served all the while."""
import os
import statistics
import subprocess
import time

import pytest

import bus_client
from conftest import wait_until

pytestmark = pytest.mark.service

LATENCY = '''
door = Door(DOOR)
times = []
for turn in range(300):
    begin = time.monotonic()
    assert lookup(door) == 'secret'
    times.append(time.monotonic() - begin)
answer(times)
'''


@pytest.fixture
def furnished(world):
    assert bus_client.run(world, '''
door = Door()
answer([create(door), set_mapping(door, 'user:alice', 'ALICE01')])''') == ['ok', 'ok']
    return world


def p50(world, door):
    return statistics.median(bus_client.run(world, f'DOOR = {door!r}\n' + LATENCY, 'alice'))


def memory(world):
    status = world.read(f'/proc/{world.service_pid()}/status')
    return int(status.split('VmRSS:')[1].split()[0])


@pytest.mark.parametrize('door', ('bus', 'direct'))
def test_flood_that_is_never_read(furnished, door):
    alone, before = p50(furnished, door), memory(furnished)
    flood = '''
calls = b''.join(message(i + 1, ROOT.encode(), b'org.freedesktop.DBus.Introspectable', b'Introspect')
                 for i in range(100))
def begin():
    client = raw()
    client.setblocking(False)
    return client
client, left, ended, deadline = begin(), calls, 0, time.monotonic() + 60
while not select.select([sys.stdin], [], [], 0)[0] or (not ended and time.monotonic() < deadline):
    try:
        select.select([], [client], [], 0.1)
        left = left[client.send(left):] or calls
    except BlockingIOError:
        pass
    except (BrokenPipeError, ConnectionResetError):
        client, left, ended = begin(), calls, ended + 1
print(ended)
'''
    arguments = ['/usr/bin/python3', '-c', bus_client.PRELUDE + bus_client.RAW + flood]
    client = subprocess.Popen(furnished.command(arguments, 'bob'), stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True)
    try:
        flooded = statistics.median(p50(furnished, door) for _ in range(3))
        growth = memory(furnished) - before
    finally:
        ended = int(client.communicate()[0])
    print(f'{door}: p50 alone {alone * 1e6:.0f} us, flooded {flooded * 1e6:.0f} us, '
          f'memory +{growth} KiB, disconnected {ended} times')
    assert ended > 0
    assert client.returncode == 0
    # The two users share the service's time, not a queue; the ratio is make check-flood's, on a quiet machine.
    assert flooded < 1
    # A sanitized service keeps what it freed for a while.
    assert growth < 16 * 1024 or 'MS_DAEMON' in os.environ


def test_half_open_connections(furnished):
    assert bus_client.run(furnished, bus_client.RAW + '''
silent = [raw(authenticate=False) for i in range(100)]
slow = raw(authenticate=False)
slow.sendall(b'\\0AUTH EXTER')
door = Door('direct')
begin = time.monotonic()
answer([lookup(door), all(gone(client, 60) for client in silent + [slow]),
        time.monotonic() - begin < 90, lookup(door)])
''', 'alice') == ['secret', True, True, 'secret']


def test_too_many_connections_of_one_user(furnished):
    furnished.write(furnished.config, '[limits]\nconnections-per-user = 20\n')
    furnished.run('busctl call org.mastersecret1 /org/mastersecret1 org.mastersecret1.Manager Reload')
    assert bus_client.run(furnished, bus_client.RAW + '''
clients = [raw(authenticate=False) for i in range(20)]
late = raw(authenticate=False)
answer(gone(late, 30))
''', 'bob') is True
    assert bus_client.run(furnished, "answer(lookup(Door('direct')))", 'alice') == 'secret'


def test_limit_of_calls_holds_for_wrong_ones_too(furnished):
    """Else a flood of messages with wrong arguments would fill the audit."""
    furnished.write(furnished.config, '[limits]\nrequests-per-second = 10\n')
    furnished.run('busctl call org.mastersecret1 /org/mastersecret1 org.mastersecret1.Manager Reload')
    before, begin = len(furnished.whole_audit()), time.monotonic()
    results = bus_client.run(furnished, '''
answer([door.attempt(ROOT, 'Credentials', 'Lookup', 's', 'erp')
        for door in map(Door, DOORS) for turn in range(200)])
''', 'bob')
    assert {'InvalidArgs', 'LimitsExceeded'} == set(results)
    # A hundred, ten for each second that it took, and what tells of states.
    assert len(furnished.whole_audit()) - before < 110 + 10 * (time.monotonic() - begin)


def test_rubbish(furnished):
    assert bus_client.run(furnished, bus_client.RAW + r'''
def refused(data):
    client = raw()
    client.sendall(data)
    return gone(client, 30)
def answers(data):
    client = raw()
    client.sendall(data)
    client.settimeout(30)
    return client.recv(1000)[1]  # 2 = a reply, 3 = an error
peer = b'org.freedesktop.DBus.Peer'
assert answers(message(1, ROOT.encode(), peer, b'Ping')) == 2
assert answers(message(1, ROOT.encode(), b'org.mastersecret1.Applications', b'List', b'su',
                       string(b'abc') + struct.pack('<I', 0))) == 2
answer([refused(b'GET / HTTP/1.0\r\n\r\n' * 10), refused(b'l' + b'\xff' * 200),
        refused(message(1, ROOT.encode(), b'org.mastersecret1.Applications', b'List', b'su',
                        string(b'\xff\xfe') + struct.pack('<I', 0))),
        refused(message(1, ROOT.encode(), b'org.mastersecret1.Applications', b'List', b'su',
                        string(b'a\0b') + struct.pack('<I', 0))),
        refused(message(1, b'not a path', peer, b'Ping')),
        refused(struct.pack('<cBBBIII', b'l', 1, 0, 1, 1 << 26, 1, 0)),
        refused(message(1, ROOT.encode(), peer, b'Ping') + b'x' * 64),
        lookup(Door('direct'))])
''', 'alice') == [True] * 7 + ['secret']


def test_a_call_behind_a_large_one_that_waits(furnished):
    """No more is read of a direct connection while a large call waits, here for the name service, which has to be
    asked anew. What had come along with it is not forgotten."""
    furnished.run('busctl call org.mastersecret1 /org/mastersecret1 org.mastersecret1.Manager Reload')
    assert bus_client.run(furnished, bus_client.RAW + '''
client = raw()
client.sendall(message(1, ROOT.encode(), b'org.freedesktop.DBus.Peer', b'Ping'))
client.recv(4096)
client.sendall(message(2, ROOT.encode(), b'org.mastersecret1.Applications', b'Create', b'ssa{sv}',
                       string(b'x' * 20000) + padded(string(b'individual') + struct.pack('<I', 0)))
               + message(3, ROOT.encode(), b'org.mastersecret1.Manager', b'Nothing'))
client.settimeout(60)
replies = b''
while replies.count(b'org.mastersecret1.Error.') + replies.count(b'UnknownMethod') < 2:
    replies += client.recv(4096)
import re
answer(sorted(re.findall(r'Error[.]([A-Za-z]+)', replies.decode('latin-1'))))''', 'bob') == ['AccessDenied', 'UnknownMethod']


def test_wrong_uid_and_other_mechanisms(furnished):
    assert bus_client.run(furnished, bus_client.RAW + r'''
def answered(line):
    client = socket.socket(socket.AF_UNIX)
    client.connect('/run/mastersecret/direct')
    client.sendall(b'\0' + line + b'\r\n')
    return client.recv(1000).decode().split()
answer([answered(b'AUTH EXTERNAL 30'), answered(b'AUTH ANONYMOUS'),
        answered(b'AUTH DBUS_COOKIE_SHA1 30'), answered(b'AUTH')])
''', 'alice') == [['REJECTED', 'EXTERNAL']] * 4


def test_bus_goes_away_and_comes_back(furnished):
    pid = furnished.service_pid()
    furnished.run('kill "$(cat /run/dbus/pid)"')
    wait_until(lambda: bus_client.run(furnished, "answer(lookup(Door('direct')))", 'alice')
               == 'secret', 'an answer without a bus')
    furnished.restart_bus()
    wait_until(lambda: furnished.service_pid() == pid, 'the name to be taken again')
    assert bus_client.run(furnished, 'answer(lookup(Door()))', 'alice') == 'secret'


@pytest.mark.parametrize('signal_name', ('TERM', 'KILL'))
def test_restart_under_load(furnished, signal_name):
    writer = subprocess.Popen(furnished.command(['/usr/bin/python3', '-c', bus_client.PRELUDE + '''
door, acknowledged = Door('direct'), 0
try:
    for number in range(100000):
        if door.attempt(ERP, 'Application', 'SetMapping', 'ssa{ss}a{sh}', '', '',
                        texts(client=str(number)), fds()) != 'ok':
            break
        acknowledged = number
        print(acknowledged, flush=True)
except dbus.DBusException:
    pass
'''], 'alice'), stdout=subprocess.PIPE, text=True)
    for _ in range(50):
        writer.stdout.readline()
    furnished.kill_service(signal_name)
    acknowledged = int(writer.communicate(timeout=120)[0].split()[-1])
    furnished.start_service()
    stored = bus_client.run(furnished, '''
mapping = Door().call(ERP, 'Application', 'ShowMapping', 's', '')
answer(int(mapping['plain']['client']))''', 'alice')
    assert stored in (acknowledged, acknowledged + 1)
    left = set(os.listdir(furnished.path(furnished.state)))
    assert 'keyring' in left and 'journal' in left


def test_stop_is_clean(furnished):
    pid = furnished.service_pid()
    furnished.kill_service('TERM')
    left = os.listdir(furnished.path(furnished.state))
    assert 'view' in left and 'view.open' not in left
    assert not os.path.exists(furnished.path('/run/mastersecret/direct'))
    furnished.start_service()
    assert furnished.service_pid() != pid
    assert bus_client.run(furnished, 'answer(lookup(Door()))', 'alice') == 'secret'


def test_reload_keeps_the_old_configuration_on_a_mistake(furnished):
    reload = 'busctl call org.mastersecret1 /org/mastersecret1 org.mastersecret1.Manager Reload'
    furnished.write(furnished.config, '[service]\nadministrators = user:dave\n')
    furnished.run(reload)
    assert bus_client.run(furnished, "answer(create(Door(), 'daves'))", 'dave') == 'ok'
    furnished.write(furnished.config, '[service]\n\nadministrator = user:bob\n')
    done = furnished.run(reload, check=False)
    assert done.returncode and f'{furnished.config}:3: ' in done.stderr
    furnished.run(f'kill -HUP {furnished.service_pid()}')
    wait_until(lambda: any('reload' in line and ':3: ' in line for line in furnished.audit()),
               'the event of the failed reload')
    assert bus_client.run(furnished, "answer(create(Door(), 'daves2'))", 'dave') == 'ok'


def test_every_use_is_audited_with_both_names(furnished):
    bus_client.run(furnished, '''
door = Door()
answer([lookup(door, 'alice'), verify(door, b'wrong', 'alice')])''', 'dave')
    lines = furnished.whole_audit()
    for word in ('lookup', 'verify'):
        line = [text for text in lines if f' {word} ' in text][-1]
        assert 'application="erp"' in line and 'user="alice"' in line and 'AccessDenied' in line
        assert f'uid={furnished.run("id -u dave").stdout.strip()}' in line
    assert not any('secret"' in line or 'wrong"' in line for line in lines)

# SPDX-FileCopyrightText: 2026 The mastersecret authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every change and every use of a credential leaves one event, whole, in one line that cannot be forged."""
import os
import re
import time

import pytest

import bus_client
from conftest import SOURCE, wait_until

pytestmark = pytest.mark.service

EVENT = re.compile(r'<(?P<priority>\d+)>\w{3} [ \d]\d [\d:]{8} mastersecretd\[\d+\]: (?P<id>MS\d{4}) '
                   r'(?P<word>[a-z-]+) (?P<outcome>ok|failed)(?: error=(?P<error>\w+))?'
                   r'(?: uid=(?P<uid>\d+))?(?: pid=(?P<pid>\d+))?(?: door=(?P<door>\w+))?'
                   r'(?: lost=(?P<lost>\d+))?(?: application="(?P<application>(?:[^"\\]|\\x..)*)")?'
                   r'(?: user="(?P<user>(?:[^"\\]|\\x..)*)")?(?: reason="(?P<reason>[^"]*)")?'
                   r'(?: detail="(?P<detail>[^"]*)")?')


def header():
    with open(f'{SOURCE}/dbus-service/domain/audit.h', encoding='utf-8') as file:
        return {f'MS{int(number):04}': (word, level) for number, word, level in
                re.findall(r'X\((\d+), \w+, "([a-z-]+)", AUDIT_(\w+)\)', file.read())}


def arrived(world):
    """The number of lines in the log when all that was sent has come."""
    return len(world.whole_audit())


def all_events(world, since):
    """What arrived after the first `since` lines, each parsed; a line that is no event fails."""
    if since:
        arrived(world)
    found = []
    for line in world.audit()[since:]:
        if 'mastersecretd[' in line:
            match = EVENT.fullmatch(line)
            assert match, line
            found.append(match.groupdict())
    return found


# Nobody asks for them: a start's verification, say, ends whenever it is through.
STATES = ('MS0102', 'MS0104')


def events(world, since):
    """Without those that tell of a state."""
    return [event for event in all_events(world, since) if event['uid'] is not None or event['id'] not in STATES]


def of(found, *keys):
    return [tuple(event[key] for key in keys) for event in found]


def settings(world, text):
    world.write(world.config, text)
    world.run('busctl call org.mastersecret1 /org/mastersecret1 org.mastersecret1.Manager Reload')


@pytest.fixture(name='furnished', scope='module')
def make_furnished(shared_world):
    assert bus_client.run(shared_world, '''
door = Door()
answer([create(door, agents=names('user:dave')), set_mapping(door, 'user:alice', 'ALICE01')])''') == \
        ['ok', 'ok']
    settings(shared_world, '[audit]\nsuccess = all\nfailure = all\n')
    return shared_world


def test_the_manual_lists_the_events():
    with open(f'{SOURCE}/doc/man/mastersecretd.8', encoding='utf-8') as page:
        rows = dict(re.findall(r'^(MS\d{4})\|.*\|(always|when refused)(?:, or by agents)?$', page.read(), re.M))
    kept = {'ADMINISTRATION': 'always', 'USE': 'when refused'}
    assert rows == {number: kept[level] for number, (_, level) in header().items()}


# What is called, the event, its application and its user.
CALLS = (
    ("create(door, 'new')", 'MS0120', 'new', None),
    ("door.attempt(N, 'Application', 'Update', 'a{sv}', variants(contact='c'))", 'MS0121', 'new', None),
    ("door.attempt(N, 'Application', 'Enable', '')", 'MS0122', 'new', None),
    ("door.attempt(N, 'Application', 'Disable', '')", 'MS0123', 'new', None),
    ("door.attempt(N, 'Application', 'Enable', '')", 'MS0122', 'new', None),
    ("door.attempt(N, 'Application', 'AddField', 'sb', 'more', False)", 'MS0125', 'new', None),
    ("door.attempt(N, 'Application', 'RelabelField', 'ss', 'more', 'less')", 'MS0126', 'new', None),
    ("set_mapping(door, 'user:alice', 'A', path=N)", 'MS0130', 'new', 'alice'),
    ("door.attempt(N, 'Application', 'ShowMapping', 's', 'user:alice')", 'MS0134', 'new', 'alice'),
    ("door.attempt(N, 'Application', 'ListMappings', 'su', '', dbus.UInt32(0))", 'MS0134', 'new', None),
    ("'ok' if lookup(door, 'alice', 'new') == 'secret' else ''", 'MS0201', 'new', 'alice'),
    ("'ok' if verify(door, b'secret', 'alice', 'new') else ''", 'MS0202', 'new', 'alice'),
    ("door.attempt(N, 'Application', 'DisableMapping', 's', 'user:alice')", 'MS0132', 'new', 'alice'),
    ("door.attempt(N, 'Application', 'EnableMapping', 's', 'user:alice')", 'MS0131', 'new', 'alice'),
    ("door.attempt(N, 'Application', 'DeleteMapping', 's', 'user:alice')", 'MS0133', 'new', 'alice'),
    ("door.attempt(N, 'Application', 'Delete', '')", 'MS0124', 'new', None),
    ("door.attempt(ROOT, 'Manager', 'Reload', '')", 'MS0103', None, None),
    ("door.attempt(ROOT, 'Secret', 'Seal', '')", 'MS0111', None, None),
    ("door.attempt(ROOT, 'Secret', 'Unseal', 'a{sh}', fds())", 'MS0112', None, None),
)


@pytest.mark.parametrize('door', ('bus', 'direct'))
def test_each_call_leaves_one_event(furnished, door):
    words, since = header(), arrived(furnished)
    calls = ', '.join(call for call, *_ in CALLS)
    pid, results = bus_client.run(furnished, f'''
N, door = ROOT + '/application/new', Door({door!r})
answer([os.getpid(), [{calls}]])''')
    assert results == ['ok'] * len(CALLS), results
    called = events(furnished, since)
    assert of(called, 'id', 'word', 'outcome', 'error', 'uid', 'pid', 'door', 'application', 'user') == \
        [(number, words[number][0], 'ok', None, '0', str(pid), door, application, user)
         for _, number, application, user in CALLS]
    priorities = {event['id']: int(event['priority']) & 7 for event in called}
    assert priorities['MS0201'] == 6 and priorities['MS0130'] == 5


def test_each_refusal_leaves_one_event(furnished):
    """With who called, about whom, and why."""
    since = arrived(furnished)
    uid = furnished.run('id -u bob').stdout.strip()
    results = bus_client.run(furnished, '''
door = Door('direct')
answer([lookup(door, 'alice'), verify(door, b'x', 'alice'), lookup(door), lookup(door, '', 'none'),
        create(door, 'mine'), door.attempt(ERP, 'Application', 'Delete', ''),
        set_mapping(door, 'user:alice', 'X'), door.attempt(ERP, 'Application', 'ShowMapping', 's', 'user:alice'),
        door.attempt(ROOT, 'Secret', 'Seal', ''), door.attempt(ROOT, 'Manager', 'Reload', '')])''', 'bob')
    found = events(furnished, since)
    assert of(found, 'outcome', 'uid', 'door') == [('failed', uid, 'direct')] * len(results)
    assert of(found, 'id', 'application', 'user') == [
        ('MS0201', 'erp', 'alice'), ('MS0202', 'erp', 'alice'), ('MS0201', 'erp', 'bob'),
        ('MS0201', 'none', None), ('MS0120', 'mine', None), ('MS0124', 'erp', None),
        ('MS0130', 'erp', 'alice'), ('MS0134', 'erp', 'alice'), ('MS0111', None, None),
        ('MS0103', None, None)]
    assert [event['error'] for event in found] == results
    assert all(int(event['priority']) & 7 == 4 and event['reason'] for event in found)


def test_wrong_credential_is_a_failure_and_an_agent_is_named(furnished):
    since = arrived(furnished)
    uid = furnished.run('id -u dave').stdout.strip()
    assert bus_client.run(furnished, '''
door = Door()
answer([verify(door, b'wrong', 'alice'), verify(door, b'secret', 'alice'), lookup(door, 'alice')])''',
                          'dave') == [False, True, 'secret']
    assert of(events(furnished, since), 'id', 'outcome', 'uid', 'user') == [
        ('MS0202', 'failed', uid, 'alice'), ('MS0202', 'ok', uid, 'alice'), ('MS0201', 'ok', uid, 'alice')]


@pytest.mark.parametrize('success', ('none', 'administration', 'all'))
@pytest.mark.parametrize('failure', ('none', 'administration', 'all'))
def test_levels(furnished, success, failure):
    settings(furnished, f'[audit]\nsuccess = {success}\nfailure = {failure}\n')
    since = arrived(furnished)
    try:
        assert bus_client.run(furnished, '''
door = Door()
answer([lookup(door, 'alice'), lookup(door, 'bob'), door.attempt(ERP, 'Application', 'Enable', ''),
        create(door, 'erp')])''') == ['secret', 'MappingNotFound', 'ok', 'ApplicationExists']
        found = of(events(furnished, since), 'id', 'outcome')
        since = arrived(furnished)
        assert bus_client.run(furnished, 'answer(lookup(Door()))', 'alice') == 'secret'
        own = of(events(furnished, since), 'id', 'outcome')
    finally:
        settings(furnished, '[audit]\nsuccess = all\nfailure = all\n')
    wanted = [(('MS0201', 'ok'), success != 'none'), (('MS0201', 'failed'), failure == 'all'),
              (('MS0122', 'ok'), success != 'none'), (('MS0120', 'failed'), failure != 'none')]
    assert own == [('MS0201', 'ok')] * (success == 'all')
    assert found == [event for event, kept in wanted if kept]


FORGED = ('x" error=None\nMar  1 00:00:00 mastersecretd[1]: MS0201 lookup ok uid=0', 'a\\x22b', 'tab\tbell\a',
          'line\u2028separator\u2029', '\x85next', '\x9bc1', 'x' * 255, '<0>kernel', '%n%s%d',
          'x" user="root" detail="ok', 'x\\', 'ü€😀')


def test_names_cannot_forge_a_line(furnished):
    """Each name stays within its quotes and its line, as far as it is taken as a name at all."""
    since = arrived(furnished)
    results = bus_client.run(furnished, f'''
door, results = Door(), []
for text in {FORGED!r}:
    results.append([lookup(door, 'alice', text), lookup(door, text), create(door, text, kind='none'),
                    set_mapping(door, 'user:' + text, 'X'), set_mapping(door, 'user:alice', text, path=ERP)])
answer(results)''')
    assert all('ok' not in result[:4] for result in results)
    assert set_back(furnished)
    found = events(furnished, since)
    assert 4 * len(FORGED) <= len(found) <= 5 * len(FORGED) + 1
    assert not any(event['uid'] != '0' or event['error'] == 'None' for event in found)
    assert not any(re.search(r'[\x00-\x1f\x7f-\x9f\u2028\u2029]', line) for line in
                   furnished.audit()[since:])
    assert any(event['application'] == 'ü€😀' for event in found)
    assert any(event['application'] == '%n%s%d' for event in found)


def set_back(world):
    return bus_client.run(world, "answer(set_mapping(Door(), 'user:alice', 'ALICE01'))") == 'ok'


def test_refusals_do_not_drown_others(furnished):
    """Bob is refused a thousand times: some of it is told, the rest is counted, and others' lines are all there."""
    bob, dave = (furnished.run(f'id -u {user}').stdout.strip() for user in ('bob', 'dave'))
    since, begin = arrived(furnished), time.monotonic()
    assert bus_client.run(furnished, '''
answer(sorted({lookup(door, 'alice') for door in map(Door, DOORS) for turn in range(500)}))''', 'bob') == ['AccessDenied']
    assert bus_client.run(furnished, '''
answer([verify(Door(), b'wrong', 'alice'), lookup(Door(), '', 'none'), lookup(Door(), 'alice')])''',
                          'dave') == [False, 'ApplicationNotFound', 'secret']

    def of_bob():
        found = [event for event in events(furnished, since) if event['uid'] == bob]
        counts = [int(event['reason'].split()[0]) for event in found if event['id'] == 'MS0106']
        return len(found) - len(counts), sum(counts)
    wait_until(lambda: sum(of_bob()) == 1000, 'the number of those left out')
    # A hundred, and ten for each second that it took.
    assert 100 <= of_bob()[0] <= 101 + 10 * (time.monotonic() - begin)
    assert of([event for event in events(furnished, since) if event['uid'] == dave], 'id', 'outcome') == \
        [('MS0202', 'failed'), ('MS0201', 'failed'), ('MS0201', 'ok')]


def test_all_successes_are_told(furnished):
    """They have no budget as refusals have: whoever asks for all of them gets all."""
    alice = furnished.run('id -u alice').stdout.strip()
    since = arrived(furnished)
    assert bus_client.run(furnished, '''
answer(sorted({lookup(door, '') for door in map(Door, DOORS) for turn in range(500)}))''', 'alice') == ['secret']

    def of_alice():
        return of([event for event in events(furnished, since) if event['uid'] == alice], 'id', 'outcome')
    wait_until(lambda: len(of_alice()) >= 1000, 'the events of a thousand lookups')
    assert of_alice() == [('MS0201', 'ok')] * 1000


def test_agents_are_told_or_counted(furnished):
    """Dave asks for alice more often than his budget allows: what is not told is counted."""
    dave = furnished.run('id -u dave').stdout.strip()
    settings(furnished, '[audit]\nsuccess = administration\nfailure = all\n')
    since = arrived(furnished)
    try:
        assert bus_client.run(furnished, """
answer(sorted({lookup(door, 'alice') for door in map(Door, DOORS) for turn in range(2000)}))""", 'dave') == ['secret']

        def of_dave():
            found = [event for event in events(furnished, since) if event['uid'] == dave]
            counts = [int(event['reason'].split()[0]) for event in found if event['id'] == 'MS0106']
            return len(found) - len(counts), sum(counts)
        wait_until(lambda: sum(of_dave()) == 4000, 'the number of those left out')
        assert 1000 <= of_dave()[0]
    finally:
        settings(furnished, '[audit]\nsuccess = all\nfailure = all\n')


LISTENER = """
import os, socket
listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
listener.bind('/dev/log')
os.chmod('/dev/log', 0o666)
if os.fork() == 0:
    os.setsid()
    for number in (0, 1, 2):
        os.dup2(os.open('/dev/null', os.O_RDWR), number)
    with open('/var/log/mastersecret-audit.log', 'ab', buffering=0) as log:
        while True:
            log.write(listener.recv(65536) + b'\\n')
"""


def reader_of_the_log(world):
    return world.run('for p in /proc/[0-9]*; do ls -l $p/fd 2>/dev/null | grep -q mastersecret-audit && '
                     'echo ${p#/proc/}; done', check=False).stdout.split()[0]


def ask(world, first, last):
    """Root, who has no budget, asks for applications that there are not, by number; each question is one event."""
    assert bus_client.run(world, f"""
door = Door('direct')
answer(sorted({{lookup(door, '', f'n{{turn}}') for turn in range({first}, {last})}}))""") == ['ApplicationNotFound']


def asked(world, since=0):
    """What arrived of it, in the order of the log."""
    return [int(event['application'][1:]) for event in events(world, since)
            if event['id'] == 'MS0201' and event['application']]


def test_vault_5361_a_log_that_is_not_read(world):
    """The reader stopped, then gone: nobody waits, and nothing is lost nor out of order afterwards."""
    reader = reader_of_the_log(world)
    world.run(f'kill -STOP {reader}')
    ask(world, 0, 3000)
    world.run(f'kill -CONT {reader}')
    ask(world, 3000, 3001)
    wait_until(lambda: len(asked(world)) >= 3001, 'the events')
    world.run(f'kill -KILL {reader}; rm /dev/log')
    ask(world, 3001, 3050)
    # As the kernel has it where nobody raises it.
    world.run('echo 10 >/proc/sys/net/unix/max_dgram_qlen')
    world.run(['/usr/bin/python3', '-c', LISTENER])
    ask(world, 3050, 3500)
    wait_until(lambda: len(asked(world)) >= 3500, 'the events')
    assert asked(world) == list(range(3500))
    assert not any(event['lost'] for event in events(world, 0))


def test_a_stop_sends_what_is_kept(world):
    """It waits a second for that, in which a machine that is busy with all else may not get round to the reader."""
    reader = reader_of_the_log(world)
    for _ in range(8):
        world.start_service()
        since = arrived(world)
        world.run(f'kill -STOP {reader}')
        ask(world, 0, 2000)
        world.run('(while [ -e /run/mastersecret/direct ]; do sleep 0.01; done; sleep 0.1; '
                  f'kill -CONT {reader}) >/dev/null 2>&1 &')
        world.kill_service('TERM')
        found = asked(world, since)
        if found == list(range(2000)):
            break
    assert found == list(range(2000))


def test_vault_31718_a_replaced_log(world):
    """The log's socket is another while the old reader lives on: the events go to the new one."""
    ask(world, 0, 1)
    wait_until(lambda: asked(world) == [0], 'the first event')
    old = reader_of_the_log(world)
    world.run('mv /var/log/mastersecret-audit.log /var/log/old.log; rm /dev/log; : >/var/log/mastersecret-audit.log')
    world.run(['/usr/bin/python3', '-c', LISTENER])
    time.sleep(1.1)  # the file is looked at once a second
    ask(world, 1, 3)
    wait_until(lambda: asked(world) == [1, 2], 'the events in the new log')
    assert world.read('/var/log/old.log').count('MS0201') == 1
    assert os.path.exists(world.path(f'/proc/{old}'))

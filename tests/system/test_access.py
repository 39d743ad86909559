# SPDX-FileCopyrightText: 2026 The mastersecret authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may do what: real people with their real groups, every method, both doors."""
import subprocess
import time
import xml.etree.ElementTree as xml

import pytest

import bus_client
from conftest import wait_until

pytestmark = pytest.mark.service

PEOPLE = ('root', 'sam', 'fred', 'carol', 'alice', 'bob', 'dave', 'gate')
# root; sam, an administrator; fred, an affiliate administrator; carol, the application's
# administrator; alice and bob, its users; dave, nobody; gate, its agent. What is asked for concerns
# alice. Y: done; -: AccessDenied; N: NotApplicationUser.
MATRIX = {
    'Manager.Reload':                  'YY------',
    'Manager.Export':                'YY------',
    'Manager.Import':                'YY------',
    'Manager State':                   'YYYYYYYY',
    'Manager Realm':                   'YYY-----',
    'Manager Advice':                  'YYY-----',
    'Secret.Generate':                 'YY------',
    'Secret.Seal':                     'YY------',
    'Secret.Unseal':                   'YY------',
    'Secret.Rotate':                 'YY------',
    'Secret.PauseRotation':          'YY------',
    'Secret.ResumeRotation':         'YY------',
    'Secret.SetRotationRate':        'YY------',
    'Secret.EnterShare':             'YY------',
    'Secret.CancelShares':           'YY------',
    'Secret.AddSlot':                'YY------',
    'Secret.ReplaceSlot':            'YY------',
    'Secret.RemoveSlot':             'YY------',
    'Secret.TestSlot':               'YY------',
    'Secret.AddRecipient':           'YY------',
    'Secret.RemoveRecipient':        'YY------',
    'Secret.Backup':                 'YY------',
    'Secret.BackupToDirectory':      'YY------',
    'Secret.VerifyBackup':           'YY------',
    'Secret.Restore':                'YY------',
    'Secret.Census':                 'YYY-----',
    'Secret.Check':                  'YYY-----',
    'Secret Generations':              'YYY-----',
    'Applications.Create':             'YYY-----',
    'Applications.List':               'YYYYYYYY',
    'Applications.ListOwn':            'YYYYYYYY',
    'Application Fields':              'YYYYYY-Y',
    'Application Users':               'YYYY----',
    'Application Contact':             'YYYY----',
    'Application.Update':              'YYYY----',
    'Application.Update users':        'YYYY----',
    'Application.Update admins':       'YYY-----',
    'Application.Update agents':       'YYY-----',
    'Application.Enable':              'YYYY----',
    'Application.Disable':             'YYYY----',
    'Application.Delete':              'YYY-----',
    'Application.AddField':            'YYYY----',
    'Application.RelabelField':        'YYYY----',
    'Application.SetMapping':          'YYYYY---',
    'Application.ShowMapping':         'YYYYY---',
    'Application.ListMappings':        'YYYY----',
    'Application.EnableMapping':       'YYYYY---',
    'Application.DisableMapping':      'YYYYY---',
    'Application.DeleteMapping':       'YYYYY---',
    'Application.SetMapping group':    'YYYY----',
    'Application.SetMapping listed':   'YYYY----',
    'Application.ShowMapping group':   'YYYY----',
    'Application.EnableMapping group': 'YYYY----',
    'Application.DisableMapping group': 'YYYY----',
    'Application.DeleteMapping group': 'YYYY----',
    'Credentials.Lookup':              'Y---Y--Y',
    'Credentials.Lookup own':          'NNNNYYNN',
    'Credentials.Lookup group':        'Y---Y--Y',
    'Credentials.Lookup no agents':    '----Y---',
    'Credentials.Verify':              'Y---Y--Y',
    'Credentials.Verify own':          'NNNNYYNN',
    'Credentials.Verify no agents':    '----Y---',
}
WORDS = {'Y': 'ok', '-': 'AccessDenied', 'N': 'NotApplicationUser'}

ROWS = bus_client.SECRET_CALLS + r'''
GET = ('org.freedesktop.DBus.Properties', 'Get', 'ss')
TEAM = ROOT + '/application/team'

def prepare(root):
    """Each cell begins with the same two applications."""
    for name in ('erp', 'team'):
        root.attempt(f'{ROOT}/application/{name}', 'Application', 'Delete', '')
    assert create(root, agents=names('user:gate')) == 'ok'
    assert create(root, 'team', 'group', users=names('user:alice', 'clerks'),
                  agents=names('user:gate')) == 'ok'
    for door, account, path in ((root, 'user:alice', ERP), (root, 'user:bob', ERP),
                                (root, 'group:clerks', TEAM)):
        assert set_mapping(door, account, 'X' + account, path=path) == 'ok'

def no_agents(root):
    assert root.attempt(ERP, 'Application', 'Update', 'a{sv}', variants(agents=names('none'))) == 'ok'

def looked_up(door, *arguments):
    result = lookup(door, *arguments)
    return 'ok' if result == 'secret' else result

def verified(door, *arguments):
    result = verify(door, b'secret', *arguments)
    return 'ok' if result is True else result

def application(member, signature='', *arguments):
    return lambda door: door.attempt(ERP, 'Application', member, signature, *arguments)

def group(member):
    return lambda door: door.attempt(TEAM, 'Application', member, 's', 'group:clerks')

def update(**changes):
    return application('Update', 'a{sv}', variants(**changes))

def own_property(path, interface, name):
    return lambda door: door.attempt(path, *GET, f'{OURS}.{interface}', name)

def of_the_secret(name):
    """Asked by whoever may, it fails for another reason than who asks."""
    def ask(door):
        result = secret_call(door, name)
        return result if result == 'AccessDenied' else 'ok'
    return ask

ROWS = {
    **{name: of_the_secret(name) for name in secret_calls()},
    'Manager.Reload': lambda door: door.attempt(ROOT, 'Manager', 'Reload', ''),
    'Manager State': own_property(ROOT, 'Manager', 'State'),
    'Manager Realm': own_property(ROOT, 'Manager', 'Realm'),
    'Manager Advice': own_property(ROOT, 'Manager', 'Advice'),
    'Secret.Seal': lambda door: door.attempt(ROOT, 'Secret', 'Seal', ''),
    'Secret Generations': own_property(ROOT, 'Secret', 'Generations'),
    'Applications.Create': lambda door: create(door, f'made-by-{os.urandom(4).hex()}'),
    'Applications.List': lambda door: door.attempt(ROOT, 'Applications', 'List', 'su', '', dbus.UInt32(0)),
    'Applications.ListOwn': lambda door: door.attempt(ROOT, 'Applications', 'ListOwn', 'su', '',
                                                      dbus.UInt32(0)),
    'Application Fields': own_property(ERP, 'Application', 'Fields'),
    'Application Users': own_property(ERP, 'Application', 'Users'),
    'Application Contact': own_property(ERP, 'Application', 'Contact'),
    'Application.Update': update(description='changed'),
    'Application.Update users': update(users=names('user:bob')),
    'Application.Update admins': update(admins=names('user:dave')),
    'Application.Update agents': update(agents=names('user:dave')),
    'Application.Enable': application('Enable'),
    'Application.Disable': application('Disable'),
    'Application.Delete': application('Delete'),
    'Application.AddField': application('AddField', 'sb', 'more', True),
    'Application.RelabelField': application('RelabelField', 'ss', 'client', 'mandant'),
    'Application.SetMapping': lambda door: set_mapping(door, 'user:alice', 'Y'),
    'Application.ShowMapping': application('ShowMapping', 's', 'user:alice'),
    'Application.ListMappings': application('ListMappings', 'su', '', dbus.UInt32(0)),
    'Application.EnableMapping': application('EnableMapping', 's', 'user:alice'),
    'Application.DisableMapping': application('DisableMapping', 's', 'user:alice'),
    'Application.DeleteMapping': application('DeleteMapping', 's', 'user:alice'),
    'Application.SetMapping group': lambda door: set_mapping(door, 'group:clerks', 'Y', path=TEAM),
    'Application.SetMapping listed': lambda door: set_mapping(door, 'user:alice', 'Y', path=TEAM),
    'Application.ShowMapping group': group('ShowMapping'),
    'Application.EnableMapping group': group('EnableMapping'),
    'Application.DisableMapping group': group('DisableMapping'),
    'Application.DeleteMapping group': group('DeleteMapping'),
    'Credentials.Lookup': lambda door: looked_up(door, 'alice'),
    'Credentials.Lookup own': looked_up,
    'Credentials.Lookup group': lambda door: looked_up(door, 'alice', 'team'),
    'Credentials.Lookup no agents': lambda door: looked_up(door, 'alice'),
    'Credentials.Verify': lambda door: verified(door, 'alice'),
    'Credentials.Verify own': verified,
    'Credentials.Verify no agents': lambda door: verified(door, 'alice'),
}

def walk(people, kind):
    root, result = Door('direct'), {}
    doors = {person: connect_as(person, kind) for person in people}
    for row, ask in ROWS.items():
        result[row] = []
        for person in people:
            prepare(root)
            if row.endswith('no agents'):
                no_agents(root)
            result[row].append(ask(doors[person]))
            if row == 'Secret.Seal' and result[row][-1] == 'ok':
                assert root.attempt(ROOT, 'Secret', 'Unseal', 'a{sh}', fds()) == 'ok'
    return result
'''


def add_people(world):
    world.run('''
sed -i '/^mastersecret-admins:/s/$/sam/' /etc/group
grep -q ^mastersecret-affiliate-admins: /etc/group || echo mastersecret-affiliate-admins:x:20031: >>/etc/group
sed -i '/^mastersecret-affiliate-admins:/s/$/fred/' /etc/group
for person in sam:20021 fred:20022 gate:20023; do
    echo "${person%:*}:x:${person#*:}:20099::/:/bin/sh"
done >>/etc/passwd
echo erin:x:20024:20011::/:/bin/sh >>/etc/passwd
''')


def without_polkit(world):
    """Also a bus that could start it does not."""
    world.run('rm -f /usr/share/dbus-1/system-services/org.freedesktop.PolicyKit1.service; busctl call '
              'org.freedesktop.DBus /org/freedesktop/DBus org.freedesktop.DBus ReloadConfig')


@pytest.fixture(name='peopled', scope='module')
def make_peopled(shared_world):
    add_people(shared_world)
    without_polkit(shared_world)
    return shared_world


def test_every_method_has_a_row(peopled):
    assert bus_client.run(peopled, ROWS + "prepare(Door()); answer(sorted(ROWS))") == sorted(MATRIX)
    found = set()
    for path in ('/org/mastersecret1', '/org/mastersecret1/application/erp'):
        text = peopled.run(['dbus-send', '--system', '--print-reply=literal', '--dest=org.mastersecret1',
                            path, 'org.freedesktop.DBus.Introspectable.Introspect']).stdout
        found |= {f"{interface.get('name')}.{method.get('name')}"
                  for interface in xml.fromstring(text).iter('interface')
                  if interface.get('name').startswith('org.mastersecret1')
                  for method in interface.iter('method')}
    assert found == {f'org.mastersecret1.{row.split()[0]}' for row in MATRIX if '.' in row}


def mismatches(result, people=PEOPLE, expected=None):
    return [f'{row}: {person} got {outcome} instead of {wanted}'
            for row, outcomes in result.items()
            for person, outcome, wanted in zip(
                people, outcomes, (expected or {}).get(row) or [WORDS[cell] for cell in MATRIX[row]])
            if outcome != wanted]


@pytest.mark.parametrize('door', ('bus', 'direct'))
def test_matrix(peopled, door):
    result = bus_client.run(peopled, ROWS + f'answer(walk({PEOPLE!r}, {door!r}))')
    assert result.keys() == MATRIX.keys()
    assert not mismatches(result), '\n'.join(mismatches(result))


@pytest.mark.parametrize('door', ('bus', 'direct'))
def test_what_is_seen(peopled, door):
    """Which applications are listed, and how much of one is told, follows the roles."""
    assert bus_client.run(peopled, ROWS + f'''
prepare(Door())
assert create(Door(), 'other', users=names('appadmins'), admins=names()) == 'ok'
seen = {{}}
for person in {PEOPLE!r}:
    door = connect_as(person, {door!r})
    page, _ = door.call(ROOT, 'Applications', 'List', 'su', '', dbus.UInt32(0))
    objects = door.call(ROOT, 'org.freedesktop.DBus.ObjectManager', 'GetManagedObjects', '')
    listed = {{str(entry[0]) for entry in page}} & {{'erp', 'other'}}
    assert listed == {{path.rsplit('/', 1)[1] for path in objects}} & {{'erp', 'other'}}
    told = door.call(ERP, 'org.freedesktop.DBus.Properties', 'GetAll', 's', OURS + '.Application')
    own, _ = door.call(ROOT, 'Applications', 'ListOwn', 'su', '', dbus.UInt32(0))
    seen[person] = [sorted(listed), len(told), sorted(str(entry[0]) for entry in own)]
assert Door().attempt(ROOT + '/application/other', 'Application', 'Delete', '') == 'ok'
answer(seen)
''') == {'root': [['erp', 'other'], 12, []], 'sam': [['erp', 'other'], 12, []],
         'fred': [['erp', 'other'], 12, []], 'carol': [['erp', 'other'], 12, []],
         'alice': [['erp'], 5, ['erp', 'team']], 'bob': [['erp'], 5, ['erp', 'team']],
         'dave': [[], 0, []], 'gate': [['erp'], 5, []]}


@pytest.mark.parametrize('door', ('bus', 'direct'))
def test_roles_of_one_application_are_none_in_another(peopled, door):
    """carol administers erp, gate is its agent, alice its user; not so of another, of the same making."""
    result = bus_client.run(peopled, ROWS + f'''
root, result = Door(), {{}}
prepare(root)
OTHER = ROOT + '/application/apart'
root.attempt(OTHER, 'Application', 'Delete', '')
assert create(root, 'apart', users=names('user:bob'), admins=names('user:sam'), agents=names('user:dave')) == 'ok'
assert set_mapping(root, 'user:bob', 'B', path=OTHER) == 'ok'
for person in ('carol', 'gate', 'alice'):
    ERP = OTHER
    door = connect_as(person, {door!r})
    result[person] = [ask(door) for row, ask in ROWS.items()
                      if row.startswith('Application.') and 'group' not in row and 'listed' not in row
                      and 'Mapping' not in row]
    result[person] += [door.attempt(OTHER, 'Application', member, 's', 'user:bob') for member in
                       ('ShowMapping', 'EnableMapping', 'DisableMapping', 'DeleteMapping')]
    result[person] += [set_mapping(door, 'user:bob', 'X', path=OTHER), set_mapping(door, '', 'X', path=OTHER),
                       lookup(door, 'bob', 'apart'), verify(door, b'secret', 'bob', 'apart'),
                       own_property(OTHER, 'Application', 'Fields')(door)]
answer(result)
''')
    assert {outcome for outcomes in result.values() for outcome in outcomes} == {'AccessDenied'}, result


def test_disabled_by_an_administrator(peopled):
    """By whichever administrator; its user neither enables it nor makes it anew."""
    assert bus_client.run(peopled, ROWS + '''
root, alice, result = Door(), connect_as('alice'), []
def do(door, member):
    return door.attempt(ERP, 'Application', member, 's', 'user:alice')
for person in ('root', 'sam', 'fred', 'carol'):
    prepare(root)
    administrator = connect_as(person, 'direct')
    result.append([do(administrator, 'DisableMapping'), do(alice, 'EnableMapping'),
                   do(alice, 'DisableMapping'), do(alice, 'EnableMapping'), do(alice, 'DeleteMapping'),
                   set_mapping(alice, '', 'NEW'), lookup(alice), looked_up(alice, 'alice'),
                   do(administrator, 'EnableMapping'), looked_up(alice)])
answer(result)
''') == [['ok', 'MappingDisabledByAdministrator', 'ok', *['MappingDisabledByAdministrator'] * 2, 'ok',
          *['MappingDisabledByAdministrator'] * 2, 'ok', 'ok']] * 4


def test_who_calls_is_never_an_argument(peopled):
    """A sender written into a message on the direct socket counts for nothing, nor does an argument."""
    replies = bus_client.run(peopled, ROWS + bus_client.RAW + '''
def show(sender):
    body = struct.pack('<I', 10) + b'user:alice' + bytes(1)
    return message(1, ERP.encode(), b'org.mastersecret1.Application', b'ShowMapping', b's', body, sender)
prepare(Door())
entry, replies = pwd.getpwnam('dave'), []
os.setgroups([entry.pw_gid]), os.setegid(entry.pw_gid), os.seteuid(entry.pw_uid)
for sender in (b':1.0', b'org.freedesktop.DBus', b'root', b'alice', b'user:alice'):
    client = raw()
    client.sendall(show(sender))
    client.settimeout(30)
    replies.append(client.recv(4096).decode('latin-1'))
answer(replies)
''')
    # A name that is none ends the connection; else the kernel's uid is what counts.
    assert all('Error.AccessDenied' in reply or reply == '' for reply in replies), replies
    assert sum('Error.AccessDenied' in reply for reply in replies) >= 2, replies


def test_uid_without_a_name(peopled):
    code = ROWS + '''
os.setgroups([]), os.setgid(54321), os.setuid(54321)
door = Door('direct')
answer([looked_up(door), looked_up(door, 'alice'), verified(door, 'alice'), set_mapping(door, '', 'X'),
        set_mapping(door, 'user:alice', 'X'), door.attempt(ROOT, 'Secret', 'Seal', ''),
        door.attempt(ROOT, 'Applications', 'List', 'su', '', dbus.UInt32(0))])'''
    result = bus_client.run(peopled, code)
    assert result[-1] == 'ok' and 'ok' not in result[:-1], result


def test_membership_that_ends(peopled):
    """At latest one name-cache after it, whatever groups the process still holds."""
    peopled.write(peopled.config, '[service]\nname-cache = 1\n')
    groups = peopled.read('/etc/group')
    peopled.run('busctl call org.mastersecret1 /org/mastersecret1 org.mastersecret1.Manager Reload')
    code = ROWS + '''
root = Door()
prepare(root)
doors = {person: connect_as(person, 'direct') for person in ('alice', 'carol', 'sam', 'fred', 'dave')}
def ask():
    return [looked_up(doors['alice']),
            doors['carol'].attempt(ERP, 'Application', 'ListMappings', 'su', '', dbus.UInt32(0)),
            doors['sam'].attempt(ROOT, 'Manager', 'Reload', ''),
            doors['fred'].attempt(ERP, 'Application', 'Update', 'a{sv}', variants(contact='x')),
            looked_up(doors['dave'])]
result = [ask()]
with open('/etc/group', encoding='utf-8') as file:
    lines = file.read().splitlines()
with open('/etc/group', 'w', encoding='utf-8') as file:
    for line in lines:
        head, _, members = line.rpartition(':')
        left = [m for m in members.split(',') if m and m not in ('alice', 'carol', 'sam', 'fred')]
        if head.startswith('clerks:'):
            left.append('dave')
        print(head + ':' + ','.join(left), file=file)
begin = time.monotonic()
while 'ok' in (now := ask()) and time.monotonic() - begin < 50:
    time.sleep(0.05)
took = time.monotonic() - begin
# Whom the name service now knows as a member becomes one with a new log-in.
time.sleep(1.2)
answer([*result, now, took, looked_up(doors['dave']), lookup(connect_as('dave', 'direct'))])
'''
    try:
        before, after, took, old_login, new_login = bus_client.run(peopled, code)
    finally:
        peopled.write('/etc/group', groups)
        peopled.write(peopled.config, '')
        peopled.run(f'kill -HUP {peopled.service_pid()}')
    assert before == ['ok'] * 4 + ['NotApplicationUser']
    assert after == ['NotApplicationUser', *['AccessDenied'] * 3, 'NotApplicationUser']
    print(f'took {took:.2f} s')
    assert took < 45  # the default would be a minute
    assert (old_login, new_login) == ('NotApplicationUser', 'MappingNotFound')


RACE = r'''
import multiprocessing

def race(people, act, turns):
    """What act(door, person) gave to each, all at once, turn by turn."""
    def run(person, kind, barrier, queue):
        door = connect_as(person, kind)
        for turn in range(turns):
            barrier.wait()
            queue.put((turn, act(door, person, turn)))
            barrier.wait()
    context = multiprocessing.get_context('fork')
    barrier, queue = context.Barrier(len(people) + 1), context.Queue()
    crew = [context.Process(target=run, args=(person, DOORS[i % 2], barrier, queue))
            for i, person in enumerate(people)]
    for member in crew:
        member.start()
    for turn in range(turns):
        barrier.wait()
        barrier.wait()
        yield [queue.get()[1] for _ in people]
    for member in crew:
        member.join()
'''


def test_two_users_one_external_user_also_when_racing(peopled):
    results = bus_client.run(peopled, ROWS + RACE + '''
root = Door()
prepare(root)
for person in ('alice', 'bob'):
    assert root.attempt(ERP, 'Application', 'DeleteMapping', 's', 'user:' + person) == 'ok'
def act(door, person, turn):
    return set_mapping(door, 'user:' + person, f'SAME{turn}')
people = ['alice', 'bob', 'alice', 'bob']
results = []
for outcomes in race(['alice', 'bob'], act, 60):
    mappings, _ = root.call(ERP, 'Application', 'ListMappings', 'su', '', dbus.UInt32(0))
    externals = [str(entry[1]) for entry in mappings]
    results.append([sorted(outcomes), len(externals) == len(set(externals))])
message = ''
try:
    root.call(ERP, 'Application', 'SetMapping', 'ssa{ss}a{sh}', 'user:erin', 'SAME59', texts(), fds())
except dbus.DBusException as error:
    message = error.get_dbus_message()
answer([results, message])
''')
    assert all(outcome == [['ExternalUserTaken', 'ok'], True] for outcome in results[0]), results[0]
    assert 'SAME59' in results[1]


def test_same_user_twice_when_racing(peopled):
    """One mapping comes of it, of one of the callers, and what the other reserved is free."""
    results = bus_client.run(peopled, ROWS + RACE + '''
root = Door()
prepare(root)
assert root.attempt(ERP, 'Application', 'DeleteMapping', 's', 'user:alice') == 'ok'
def act(door, person, turn):
    return set_mapping(door, 'user:alice', f'{person}{turn}')
results = []
for turn, outcomes in enumerate(race(['alice', 'carol', 'sam'], act, 30)):
    mappings, _ = root.call(ERP, 'Application', 'ListMappings', 'su', '', dbus.UInt32(0))
    found = [str(entry[1]) for entry in mappings if entry[0] == 'user:alice']
    free = [f'{person}{turn}' for person in ('alice', 'carol', 'sam') if f'{person}{turn}' not in found]
    others = [set_mapping(root, 'user:erin', name) for name in free]
    results.append([set(outcomes) <= {'ok', 'Conflict'} and 'ok' in outcomes, len(found), others])
    assert root.attempt(ERP, 'Application', 'DeleteMapping', 's', 'user:alice') == 'ok'
answer(results)
''')
    assert all(result == [True, 1, ['ok', 'ok']] for result in results), results


def test_order_of_a_group_application(peopled):
    """The first entry of the list that the user belongs to and that has a mapping."""
    assert bus_client.run(peopled, ROWS + '''
root, alice, bob = Door(), connect_as('alice'), connect_as('bob', 'direct')
prepare(root)
def order(*entries):
    return root.attempt(TEAM, 'Application', 'Update', 'a{sv}', variants(users=names(*entries)))
def both():
    return [lookup(door, '', 'team') for door in (alice, bob)]
result = [order('appadmins', 'user:alice', 'alice', 'clerks'), both()]
for account in ('user:alice', 'group:alice', 'group:appadmins', 'group:clerks'):
    result.append(set_mapping(root, account, 'same for all', account.encode(), TEAM))
result += [both(), order('clerks', 'user:alice'), both(), order('alice', 'user:alice', 'clerks'), both()]
result.append(root.attempt(TEAM, 'Application', 'DisableMapping', 's', 'group:alice'))
result += [both(), order('user:bob'), both()]
answer(result)
''') == ['ok', ['secret', 'secret'], *['ok'] * 4, ['user:alice', 'group:clerks'], 'ok',
         ['group:clerks', 'group:clerks'], 'ok', ['group:alice', 'group:clerks'], 'ok',
         ['MappingDisabledByAdministrator', 'group:clerks'], 'ok',
         ['NotApplicationUser', 'MappingNotFound']]


# ---- what doc/THREAT-MODEL says that somebody can ----

def test_a_stranger_finds_out_names_of_applications_and_no_more(peopled):
    """By asking for a name, and by the object's path in signals; nothing lists them, and there is no more to be had."""
    bus_client.run(peopled, ROWS + "prepare(Door()); answer('')")
    asked, seen, listed = bus_client.run(peopled, """
door = Door()
def get(name):
    return door.attempt(ERP, 'org.freedesktop.DBus.Properties', 'Get', 'ss', OURS + '.Application', name)
tree = door.call(ROOT + '/application', 'org.freedesktop.DBus.Introspectable', 'Introspect', '')
answer([[lookup(door, '', 'erp'), lookup(door, '', 'nothing')],
        [get(name) for name in ('Name', 'Description', 'Fields', 'Users', 'Admins', 'Agents')],
        ['erp' in tree, 'erp' in str(door.call(ROOT, 'Applications', 'List', 'su', '', dbus.UInt32(0)))]])""", 'dave')
    assert asked == ['NotApplicationUser', 'ApplicationNotFound']
    assert seen == ['AccessDenied'] * 6 and listed == [False, False]
    with subprocess.Popen(peopled.command(['timeout', '120', 'stdbuf', '-oL', 'dbus-monitor', '--system',
                                           "type='signal',sender='org.mastersecret1'"], 'dave'),
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as listener:
        for line in listener.stdout:
            if 'NameAcquired' in line:
                break
        assert bus_client.run(peopled, """
door = Door()
answer([create(door, 'secretplan', description='the text of it'),
        door.attempt(ROOT + '/application/secretplan', 'Application', 'Delete', '')])""") == ['ok', 'ok']
        heard = ''
        for line in listener.stdout:
            heard += line
            if 'InterfacesRemoved' in line:
                break
        listener.terminate()
    assert '/org/mastersecret1/application/secretplan' in heard and 'the text of it' not in heard


def test_an_administrator_of_an_application_decides_which_external_account(peopled):
    assert bus_client.run(peopled, ROWS + """
prepare(Door())
carol, alice = connect_as('carol'), connect_as('alice')
answer([set_mapping(carol, 'user:alice', 'CAROLS', b'of carol'), lookup(alice), lookup(carol, 'alice'),
        str(alice.call(ERP, 'Application', 'ShowMapping', 's', '')['external-user'])])""") == \
        ['ok', 'of carol', 'AccessDenied', 'CAROLS']


def test_root_can_become_an_agent(peopled):
    """Root is not kept out where it is no agent itself."""
    assert bus_client.run(peopled, ROWS + """
prepare(Door())
assert Door().attempt(ERP, 'Application', 'Update', 'a{sv}', variants(agents=names('none'))) == 'ok'
refused = lookup(Door(), 'alice')
assert Door().attempt(ERP, 'Application', 'Update', 'a{sv}', variants(agents=names('user:gate'))) == 'ok'
answer([refused, lookup(connect_as('gate'), 'alice')])""") == ['AccessDenied', 'secret']


def test_an_affiliate_administrator_can_make_himself_an_agent(peopled):
    assert bus_client.run(peopled, ROWS + """
prepare(Door())
fred = connect_as('fred')
refused = lookup(fred, 'alice')
assert fred.attempt(ERP, 'Application', 'Update', 'a{sv}', variants(agents=names('user:fred'))) == 'ok'
answer([refused, lookup(fred, 'alice')])""") == ['AccessDenied', 'secret']


# ---- polkit ----

POLKIT = r'''
import dbus, os, sys
import dbus.service
from dbus.mainloop.glib import DBusGMainLoop
from gi.repository import GLib
DBusGMainLoop(set_as_default=True)
bus = dbus.SystemBus()
class Authority(dbus.service.Object):
    @dbus.service.method('org.freedesktop.PolicyKit1.Authority', in_signature='(sa{sv})sa{ss}us',
                         out_signature='(bba{ss})', async_callbacks=('done', 'failed'))
    def CheckAuthorization(self, subject, action, details, flags, cancellation, done, failed):
        uid = bus.get_unix_user(subject[1]['name'])
        with open('/tmp/polkit-asked', 'a') as file:
            print(uid, subject[0], action, file=file)
        with open('/tmp/polkit-answer') as file:
            word = file.read()
        if word == 'error':
            failed(Exception('broken'))
        elif word != 'silent':
            done((word == 'yes', word == 'challenge', {}))
name = dbus.service.BusName('org.freedesktop.PolicyKit1', bus)
authority = Authority(bus, '/org/freedesktop/PolicyKit1/Authority')
print('up', flush=True)
GLib.MainLoop().run()
'''
POLKIT_POLICY = '''<busconfig><policy user="root"><allow own="org.freedesktop.PolicyKit1"/></policy>
<policy context="default"><allow send_destination="org.freedesktop.PolicyKit1"/></policy></busconfig>
'''


class Polkit:
    """Stands in for polkitd: says what the test wants and keeps what it was asked."""

    def __init__(self, world):
        self.world = world
        world.write('/etc/dbus-1/system.d/world-polkit.conf', POLKIT_POLICY)
        without_polkit(world)
        self.say('no')
        self.process = subprocess.Popen(world.command(['/usr/bin/python3', '-c', POLKIT]),
                                        stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == 'up\n'

    def say(self, word):
        self.world.write('/tmp/polkit-answer', word)
        self.world.write('/tmp/polkit-asked', '')

    def asked(self):
        return self.world.read('/tmp/polkit-asked').splitlines()

    def close(self):
        if self.process.poll() is None:
            self.world.run('kill $(busctl call org.freedesktop.DBus /org/freedesktop/DBus '
                           'org.freedesktop.DBus GetConnectionUnixProcessID s '
                           'org.freedesktop.PolicyKit1 | cut -d" " -f2)')
            self.process.wait()
            self.process.stdout.close()


@pytest.fixture(name='polkit')
def make_polkit(peopled):
    made = Polkit(peopled)
    yield made
    made.close()


def walk_as_dave(world, door='bus'):
    return bus_client.run(world, ROWS + f"answer(walk(['dave'], {door!r}))")


def expected_with_polkit():
    """All that administrators may; never what gives or tries a credential."""
    return {row: ['ok' if not row.startswith('Credentials') else WORDS[cells[PEOPLE.index('dave')]]]
            for row, cells in MATRIX.items()}


def test_polkit_may_stand_in_for_a_role(peopled, polkit):
    polkit.say('yes')
    result = walk_as_dave(peopled)
    # Properties go by role alone.
    result = {row: outcome for row, outcome in result.items() if ' ' not in row or '.' in row}
    wrong = mismatches(result, ['dave'], expected_with_polkit())
    assert not wrong, '\n'.join(wrong)
    asked = polkit.asked()
    assert all(line.startswith('20004 system-bus-name org.mastersecret1.manage-') for line in asked)
    assert {line.split('-')[-1] for line in asked} == {'applications', 'mappings', 'secret', 'service'}
    peopled.audited('authorised by polkit')


def test_polkit_may_stand_in_for_a_role_that_a_part_of_a_method_needs(peopled, polkit):
    """Who administers an application may change it; its admins and agents only with a higher role, or polkit."""
    change = """
def update(**changes):
    return Door({door!r}).attempt(ERP, 'Application', 'Update', 'a{{sv}}', variants(**changes))
answer([update(contact='carol'), update(agents=names('user:dave')), update(admins=names('appadmins', 'user:carol'))])"""
    bus_client.run(peopled, ROWS + "prepare(Door()); answer('')")
    refused = ['ok', 'AccessDenied', 'AccessDenied']
    carol = peopled.run('id -u carol').stdout.strip()
    for word, door, wanted, asked in (('no', 'bus', refused, 2), ('yes', 'direct', refused, 0),
                                      ('yes', 'bus', ['ok'] * 3, 2)):
        polkit.say(word)
        assert bus_client.run(peopled, change.format(door=door), 'carol') == wanted, (word, door)
        assert polkit.asked() == [f'{carol} system-bus-name org.mastersecret1.manage-applications'] * asked
    bus_client.run(peopled, ROWS + "prepare(Door()); answer('')")


def test_polkit_is_not_asked_on_the_direct_socket(peopled, polkit):
    polkit.say('yes')
    assert not mismatches(walk_as_dave(peopled, 'direct'), ['dave'],
                          {row: [WORDS[cells[6]]] for row, cells in MATRIX.items()})
    assert polkit.asked() == []


@pytest.mark.parametrize('word', ('no', 'challenge', 'error'))
def test_polkit_that_does_not_say_yes(peopled, polkit, word):
    polkit.say(word)
    assert not mismatches(walk_as_dave(peopled), ['dave'],
                          {row: [WORDS[cells[6]]] for row, cells in MATRIX.items()})
    assert polkit.asked()


def test_polkit_is_not_asked_about_who_has_the_role(peopled, polkit):
    assert bus_client.run(peopled, ROWS + '''
prepare(Door())
answer([connect_as('carol').attempt(ERP, 'Application', 'Disable', ''), looked_up(connect_as('gate'), 'alice'),
        connect_as('sam').attempt(ROOT, 'Manager', 'Reload', ''), lookup(connect_as('dave'), 'alice')])
''') == ['ok', 'ApplicationDisabled', 'ok', 'AccessDenied']
    assert polkit.asked() == []


def test_polkit_that_stays_silent(peopled, polkit):
    """Only its own caller waits; gone, it is a no."""
    polkit.say('silent')
    begin = time.monotonic()
    waiting = subprocess.Popen(peopled.command(['/usr/bin/python3', '-c', bus_client.PRELUDE + '''
print(Door().attempt(ROOT, 'Manager', 'Reload', '', timeout=40))'''], 'dave'), stdout=subprocess.PIPE, text=True)
    wait_until(polkit.asked, 'polkit to be asked')
    assert bus_client.run(peopled, ROWS + '''
prepare(Door())
answer([looked_up(connect_as('alice')), connect_as('carol').attempt(ERP, 'Application', 'Disable', '')])
''') == ['ok', 'ok']
    assert waiting.poll() is None
    polkit.close()
    assert waiting.communicate(timeout=120)[0] == 'AccessDenied\n'
    assert time.monotonic() - begin < 25

# SPDX-FileCopyrightText: 2026 The mastersecret authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every method of the D-Bus interface, by both doors: right and wrong types, callers, states, objects,
sizes."""
import os
import subprocess
import xml.etree.ElementTree as xml

import pytest

import bus_client
from conftest import wait_until

pytestmark = pytest.mark.service

# Arguments of the right types for every method; what they ask for need not be possible.
CALLS = bus_client.SECRET_CALLS + r'''
def calls():
    none = dbus.Dictionary({}, signature='sh')
    return [(ROOT, *name.split('.'), *rest) for name, rest in secret_calls().items()] + [
        (ROOT, 'Manager', 'Reload', ''),
        (ROOT, 'Applications', 'Create', 'ssa{sv}', 'new', 'individual', variants()),
        (ROOT, 'Applications', 'List', 'su', '', dbus.UInt32(0)),
        (ROOT, 'Applications', 'ListOwn', 'su', '', dbus.UInt32(0)),
        (ERP, 'Application', 'Update', 'a{sv}', variants()),
        (ERP, 'Application', 'Enable', ''),
        (ERP, 'Application', 'Disable', ''),
        (ERP, 'Application', 'Delete', ''),
        (ERP, 'Application', 'AddField', 'sb', 'more', True),
        (ERP, 'Application', 'RelabelField', 'ss', 'client', 'mandant'),
        (ERP, 'Application', 'SetMapping', 'ssa{ss}a{sh}', 'user:bob', 'B', texts(), none),
        (ERP, 'Application', 'ShowMapping', 's', 'user:alice'),
        (ERP, 'Application', 'ListMappings', 'su', '', dbus.UInt32(0)),
        (ERP, 'Application', 'EnableMapping', 's', 'user:alice'),
        (ERP, 'Application', 'DisableMapping', 's', 'user:alice'),
        (ERP, 'Application', 'DeleteMapping', 's', 'user:alice'),
        (ROOT, 'Credentials', 'Lookup', 'ssa{sh}', 'erp', 'alice', none),
        (ROOT, 'Credentials', 'Verify', 'sssh', 'erp', 'alice', '', UnixFd(given(b'x'))),
    ]
'''
PROPERTIES_ONLY = {'Manager.Reload'}


@pytest.fixture(scope='module')
def furnished(shared_world):
    assert bus_client.run(shared_world, '''
door = Door()
answer([create(door), set_mapping(door, 'user:alice', 'ALICE01', b'al\\0ice')])
''') == ['ok', 'ok']
    return shared_world


def ours_in(text):
    return {(interface.get('name').rsplit('.', 1)[-1], method.get('name'))
            for interface in xml.fromstring(text).iter('interface')
            if interface.get('name').startswith('org.mastersecret1')
            for method in interface.iter('method')}


def introspected(world, path):
    return world.run(['dbus-send', '--system', '--print-reply=literal', '--dest=org.mastersecret1',
                      path, 'org.freedesktop.DBus.Introspectable.Introspect']).stdout


def test_calls_below_are_all_there_are(furnished):
    listed = {tuple(call) for call in bus_client.run(
        furnished, CALLS + 'answer([(call[1], call[2]) for call in calls()])')}
    described = ours_in(introspected(furnished, '/org/mastersecret1')) | \
        ours_in(introspected(furnished, '/org/mastersecret1/application/erp'))
    assert listed == described


@pytest.mark.parametrize('door', ('bus', 'direct'))
def test_wrong_types(furnished, door):
    results = bus_client.run(furnished, CALLS + f'''
door = Door({door!r})
answer([[call[2], door.attempt(*call[:3], 'ai', dbus.Array([1], signature='i'))] for call in calls()])
''')
    assert {result for _, result in results} == {'InvalidArgs'}, results


@pytest.mark.parametrize('door', ('bus', 'direct'))
def test_caller_without_any_role(furnished, door):
    results = dict(bus_client.run(furnished, CALLS + f'''
door = Door({door!r})
answer([[call[2], door.attempt(*call)] for call in calls()])
''', 'dave'))
    allowed = {name for name, result in results.items() if result != 'AccessDenied'}
    assert allowed == {'List', 'ListOwn'}, results


def test_caller_without_any_role_sees_no_application(furnished):
    assert bus_client.run(furnished, '''
door = Door()
answer([door.call(ROOT, 'Applications', 'List', 'su', '', dbus.UInt32(0)),
        door.call(ROOT, 'Applications', 'ListOwn', 'su', '', dbus.UInt32(0)),
        door.call(ROOT, 'org.freedesktop.DBus.ObjectManager', 'GetManagedObjects', ''),
        door.call(ERP, 'org.freedesktop.DBus.Properties', 'GetAll', 's', OURS + '.Application'),
        'erp' in door.call(ROOT + '/application', 'org.freedesktop.DBus.Introspectable',
                           'Introspect', ''),
        sorted(door.call(ROOT, 'org.freedesktop.DBus.Properties', 'GetAll', 's', OURS + '.Manager')),
        door.attempt(ROOT, 'org.freedesktop.DBus.Properties', 'Get', 'ss', OURS + '.Manager', 'Realm')])
''', 'dave') == [[[], ''], [[], ''], {}, {}, False, ['Role', 'State', 'StateText', 'Version'],
                 'AccessDenied']


@pytest.mark.parametrize('door', ('bus', 'direct'))
def test_lookup_and_verify(furnished, door):
    assert bus_client.run(furnished, f'''
door = Door({door!r})
answer([lookup(door), lookup(door, 'bob'), verify(door, b'al\\0ice'), verify(door, b'al'),
        verify(door, b'al\\0ice '), lookup(door, '', 'nothing')])
''', 'alice') == ['al\0ice', 'AccessDenied', True, False, False, 'ApplicationNotFound']
    assert bus_client.run(furnished, f'''
door = Door({door!r})
answer([lookup(door), lookup(door, 'alice'), verify(door, b'al\\0ice', 'alice')])
''', 'bob') == ['MappingNotFound', 'AccessDenied', 'AccessDenied']
    assert bus_client.run(furnished, f'''
door = Door({door!r})
answer([lookup(door), lookup(door, 'alice'), lookup(door, 'dave'), lookup(door, 'nobody-there')])
''') == ['NotApplicationUser', 'al\0ice', 'NotApplicationUser', 'AccountNotFound']
    assert bus_client.run(furnished, f'answer(lookup(Door({door!r})))', 'dave') == \
        'NotApplicationUser'


def test_administrator_of_the_application_sets_but_never_reads(furnished):
    assert bus_client.run(furnished, '''
door = Door()
answer([set_mapping(door, 'user:bob', 'BOB01', b'first'), set_mapping(door, 'user:bob', '', b'second'),
        set_mapping(door, 'user:bob', 'ALICE01'), set_mapping(door, 'user:nobody-there', 'X'),
        set_mapping(door, 'group:clerks', 'X'), set_mapping(door, 'bob', 'X'), lookup(door, 'bob'),
        door.attempt(ERP, 'Application', 'ShowMapping', 's', 'user:bob'),
        set_mapping(door, 'user:dave', 'DAVE01')])
''', 'carol') == ['ok', 'ok', 'ExternalUserTaken', 'AccountNotFound', 'InvalidArgument',
                  'InvalidArgument', 'AccessDenied', 'ok', 'NotApplicationUser']
    assert bus_client.run(furnished, 'answer(lookup(Door()))', 'bob') == 'second'


def test_disabled_by_an_administrator_stays_disabled(furnished):
    do = "door.attempt(ERP, 'Application', '%s', 's', 'user:bob')"
    assert bus_client.run(furnished, f"door = Door(); answer({do % 'DisableMapping'})", 'carol') == 'ok'
    assert bus_client.run(furnished, f'''
door = Door()
answer([lookup(door), {do % 'EnableMapping'}, {do % 'DeleteMapping'}, lookup(door)])
''', 'bob') == ['MappingDisabledByAdministrator'] * 4
    assert bus_client.run(furnished, f"door = Door(); answer({do % 'EnableMapping'})", 'carol') == 'ok'
    assert bus_client.run(furnished, f'''
door = Door()
answer([{do % 'DisableMapping'}, lookup(door), {do % 'EnableMapping'}, lookup(door)])
''', 'bob') == ['ok', 'MappingDisabled', 'ok', 'second']


# The policy of the bus stops what is not ours; libdbus answers Ping on the direct socket itself.
@pytest.mark.parametrize('door, interface, ping', (('bus', 'AccessDenied', 'UnknownObject'),
                                                   ('direct', 'UnknownInterface', 'ok')))
def test_what_is_not_there(furnished, door, interface, ping):
    assert bus_client.run(furnished, f'''
door = Door({door!r})
ping = ('org.freedesktop.DBus.Peer', 'Ping', '')
answer([door.attempt(ROOT + '/application/none', 'Application', 'Enable', ''),
        door.attempt(ROOT + '/application/none', *ping),
        door.attempt(ROOT + '/elsewhere', *ping), door.attempt(ROOT + '/application/e_zz', *ping),
        door.attempt(ROOT + '/application/erp/below', *ping),
        door.attempt(ROOT, 'Application', 'Enable', ''), door.attempt(ROOT, 'Nothing', 'Enable', ''),
        door.attempt(ROOT, 'Secret', 'Nothing', ''),
        door.attempt(ROOT, 'org.freedesktop.DBus.Properties', 'Get', 'ss', OURS + '.Secret', 'Key'),
        door.attempt(ROOT, 'org.freedesktop.DBus.Properties', 'Set', 'ssv', OURS + '.Manager',
                     'State', 'ready'),
        door.attempt(ROOT, *ping), door.attempt('/', *ping)])
''') == ['ApplicationNotFound', ping, ping, ping, ping, 'UnknownInterface', interface,
         'UnknownMethod', 'UnknownProperty',
         'PropertyReadOnly', 'ok', 'ok']


def test_sizes(furnished):
    assert bus_client.run(furnished, r'''
door = Door()
def plain(value):
    return door.attempt(ERP, 'Application', 'SetMapping', 'ssa{ss}a{sh}', 'user:alice', '',
                        texts(client=value), fds())
big = b'x' * 65536
import fcntl
def masked(size):
    read, write = os.pipe()
    fcntl.fcntl(write, 1031, 1 << 17)
    os.write(write, b'x' * size)
    os.close(write)
    return door.attempt(ERP, 'Application', 'SetMapping', 'ssa{ss}a{sh}', 'user:alice', '', texts(),
                        fds(password=read))
many = dbus.Array([('f%d' % i, i > 0 and i < 15) for i in range(33)], signature='(sb)')
answer([plain('y' * 65536), plain('y' * 65537), plain('100'), masked(65536), masked(65537),
        create(door, 'n' * 255), create(door, 'n' * 256), create(door, ''), create(door, 'a\nb'),
        create(door, 'many', fields=many), create(door, 'large', description='d' * 1025),
        create(door, 'crowd', users=names(*['clerks'] * 65)),
        door.attempt(ROOT, 'Secret', 'Unseal', 'a{sh}', fds(passphrase=given(b'short'))),
        door.attempt(ROOT, 'Secret', 'Unseal', 'a{sh}', fds(passphrase=given(b'l' * 1025))),
        door.attempt(ROOT, 'Applications', 'List', 'su', '', dbus.UInt32(257)),
        door.attempt(ROOT, 'Applications', 'List', 'su', 'x' * 3000000, dbus.UInt32(1))])
''') == ['ok', 'TooLarge', 'ok', 'ok', 'TooLarge', 'ok', 'InvalidArgument', 'InvalidArgument',
         'InvalidArgument', 'TooLarge', 'TooLarge', 'TooLarge', 'InvalidArgument', 'InvalidArgument',
         'InvalidArgument', 'TooLarge']


def test_definitions_that_are_wrong(furnished):
    assert bus_client.run(furnished, r'''
door = Door()
answer([create(door, 'd1', kind='other'), create(door, 'd2', users=names('no-such-group')),
        create(door, 'd3', colour='red'), create(door, 'd4', users='clerks'),
        create(door, 'd5', fields=fields(('user', True))), create(door, 'd6', fields=fields()),
        create(door, 'd7', fields=fields(('user', False), ('user', True))),
        create(door, 'd8', agents=names('clerks')), create(door, 'erp'),
        door.attempt(ERP, 'Application', 'Update', 'a{sv}', variants(enabled=True))])
''') == ['InvalidArgument', 'AccountNotFound', 'InvalidArgument', 'InvalidArgument',
         'InvalidArgument', 'InvalidArgument', 'FieldExists', 'InvalidArgument',
         'ApplicationExists', 'InvalidArgument']


def test_pages(furnished):
    assert bus_client.run(furnished, r'''
door = Door()
assert all(create(door, 'p%02d' % i) == 'ok' for i in range(10))
found, cursor = [], ''
for turn in range(100):
    page, cursor = door.call(ROOT, 'Applications', 'List', 'su', cursor, dbus.UInt32(3))
    assert len(page) <= 3
    found += [str(entry[0]) for entry in page]
    if not cursor:
        break
mappings, _ = door.call(ERP, 'Application', 'ListMappings', 'su', '', dbus.UInt32(0))
answer([[name for name in found if name[0] == 'p'], len(found) == len(set(found)),
        sorted(str(entry[0]) for entry in mappings),
        door.attempt(ERP, 'Application', 'ListMappings', 'su', 'zz', dbus.UInt32(0))])
''') == [['p%02d' % i for i in range(10)], True, ['user:alice', 'user:bob'], 'InvalidArgument']


def test_guessing_is_limited(furnished):
    reload = 'busctl call org.mastersecret1 /org/mastersecret1 org.mastersecret1.Manager Reload'
    # One is forgiven each second if nothing else is said, and a busy machine takes its time.
    furnished.write(furnished.config, '[limits]\nverify-per-minute = 1\n')
    furnished.run(reload)
    assert bus_client.run(furnished, r'''
door = Door()
results = [verify(door, b'wrong', 'bob') for i in range(15)]
answer([results.index('LimitsExceeded') in (10, 11), verify(door, b'second', 'bob'),
        verify(door, b'wrong', 'alice')])
''') == [True, 'LimitsExceeded', False]
    furnished.write(furnished.config, '')
    furnished.run(reload)


def test_busctl(furnished):
    tree = furnished.run('busctl tree --no-pager --list org.mastersecret1').stdout.split()
    assert '/org/mastersecret1/application/erp' in tree
    for path in ('/org/mastersecret1', '/org/mastersecret1/application/erp'):
        assert '.Ping' in furnished.run(['busctl', 'introspect', 'org.mastersecret1', path]).stdout
    furnished.run("busctl call org.mastersecret1 /org/mastersecret1 org.mastersecret1.Applications "
                  "Create 'ssa{sv}' shop individual 2 users as 1 clerks fields 'a(sb)' 2 user false "
                  'password true')
    assert furnished.run('busctl call org.mastersecret1 /org/mastersecret1/application/erp '
                         'org.mastersecret1.Application DisableMapping s user:bob').returncode == 0
    assert '"user:bob" "BOB01" "disabled-by-administrator"' in furnished.run(
        'busctl call org.mastersecret1 /org/mastersecret1/application/erp '
        'org.mastersecret1.Application ListMappings su "" 0').stdout


def test_introspection_is_valid(furnished):
    text = introspected(furnished, '/org/mastersecret1')
    assert text.lstrip().startswith('<!DOCTYPE node PUBLIC')
    assert '<node name="application"/>' in text
    direct = bus_client.run(furnished, '''
answer(str(Door('direct').call(ROOT, 'org.freedesktop.DBus.Introspectable', 'Introspect', '')))''')
    assert xml.canonicalize(direct) == xml.canonicalize(text.strip())


def test_signals(furnished):
    monitor = subprocess.Popen(
        furnished.command(['timeout', '120', 'busctl', 'monitor', '--json=short', 'org.mastersecret1']),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert 'Monitoring' in monitor.stderr.readline()
    assert bus_client.run(furnished, '''
door = Door()
answer([create(door, 'noisy'), set_mapping(door, 'user:bob', 'B', path=ROOT + '/application/noisy'),
        door.attempt(ROOT + '/application/noisy', 'Application', 'Disable', ''),
        door.attempt(ROOT + '/application/noisy', 'Application', 'Delete', '')])
''') == ['ok'] * 4
    seen = ''
    while '"member":"InterfacesRemoved"' not in seen:
        line = monitor.stdout.readline()
        assert line, seen
        seen += line
    furnished.run('kill $(pidof busctl)')  # what monitor is only waits for it
    monitor.communicate()
    for member in ('InterfacesAdded', 'MappingChanged', 'Changed', 'PropertiesChanged'):
        assert f'"member":"{member}"' in seen


def test_changes_are_told_in_their_order(furnished):
    """Also those of one commit, by the bus, which has been told before who calls."""
    assert bus_client.run(furnished, '''
from dbus.mainloop.glib import DBusGMainLoop
from gi.repository import GLib
DBusGMainLoop(set_as_default=True)
heard, path, ears = [], ROOT + '/application/told', connect()
for name in ('MappingChanged', 'Changed'):
    ears.add_signal_receiver(lambda *arguments, member: heard.append(str([member, *arguments][-1])), name,
                             bus_name=OURS, path=path, member_keyword='member')
ears.call_blocking(OURS, ROOT, 'org.freedesktop.DBus.Peer', 'Ping', '', [])
assert [create(Door(), 'told'), set_mapping(Door(), 'user:bob', 'B', path=path)] == ['ok'] * 2
for count in range(10):
    for member, *arguments in (('EnableMapping' if count % 2 else 'DisableMapping', 's', ['user:bob']),
                               ('Update', 'a{sv}', [variants(contact=str(count))])):
        ears.call_async(OURS, path, OURS + '.Application', member, *arguments, None, None)
    ears.flush()
    end = time.monotonic() + 60
    while len(heard) < 3 + 2 * count and time.monotonic() < end:
        GLib.MainContext.default().iteration(False)
        time.sleep(0.001)
answer(heard)
''') == ['set'] + ['disabled', 'Changed', 'enabled', 'Changed'] * 5


def test_first_calls_of_a_stranger_are_taken_in_their_order(furnished):
    """All of them wait until the bus has told who calls; then the first of two for one name gets it."""
    assert bus_client.run(furnished, '''
import dbus.lowlevel
stranger = connect()
for text in ('first', 'second', 'third'):
    call = dbus.lowlevel.MethodCallMessage(OURS, ROOT, OURS + '.Applications', 'Create')
    call.append('line', 'individual', variants(description=text, fields=fields(('user', False))), signature='ssa{sv}')
    stranger.send_message(call)
stranger.flush()
door, end = Door(), time.monotonic() + 60
while time.monotonic() < end:
    try:
        text = door.call(ROOT + '/application/line', 'org.freedesktop.DBus.Properties', 'Get', 'ss',
                         OURS + '.Application', 'Description')
        break
    except dbus.DBusException:
        time.sleep(0.05)
answer(text)
''') == 'first'


def test_who_hears_of_mappings_and_rotations(furnished):
    """How many records there are, and whose, is nothing that everybody on the bus hears."""
    paths = {user: f'/tmp/heard-by-{user}' for user in ('root', 'dave')}
    listeners = [subprocess.Popen(furnished.command(['sh', '-c', f"""exec dbus-monitor --system \\
        "type='signal',sender='org.mastersecret1'" >{path}"""], user), stderr=subprocess.DEVNULL)
                 for user, path in paths.items()]

    def counts():
        return [furnished.read(path).count('member=Changed') if os.path.exists(furnished.path(path)) else 0
                for path in paths.values()]

    def both_hear():
        before = counts()
        assert bus_client.run(furnished, '''
door = Door()
answer([set_mapping(door, 'user:alice', ''), door.attempt(ERP, 'Application', 'Update', 'a{sv}',
                                                          variants(contact=str(time.monotonic())))])
''') == ['ok', 'ok']
        return all(now > then for now, then in zip(counts(), before))
    # Since when they listen is told by what everybody hears.
    wait_until(both_hear, 'the first signal')
    made = furnished.run(['mastersecret', 'secret', 'recipient', 'new', '--private-file', '/root/recipient']).stdout
    furnished.run(['mastersecret', 'secret', 'recipient', 'add', 'safe',
                   next(word for word in made.split() if word.startswith('ms1-public-'))])
    assert bus_client.run(furnished, '''
backup = os.open('/root/rotated', os.O_RDWR | os.O_CREAT, 0o600)
answer(Door().attempt(ROOT, 'Secret', 'Rotate', 'a{sv}a{sh}', variants(), fds(backup=backup)))''') == 'ok'
    signals = ('member=MappingChanged', 'member=RotationEnded')
    wait_until(lambda: all(signal in furnished.read(paths['root']) for signal in signals), 'both signals')
    wait_until(both_hear, 'a signal behind those')
    furnished.run('kill $(pidof dbus-monitor)')
    for listener in listeners:
        listener.wait()
    assert not any(signal in furnished.read(paths['dave']) for signal in signals)


def test_polkit_may_stand_in_for_a_role_on_the_bus(world):
    world.write('/etc/polkit-1/rules.d/10-test.rules', '''polkit.addRule(function(action, subject) {
    if (action.id == "org.mastersecret1.manage-applications" && subject.user == "dave")
        return polkit.Result.YES;
});''')
    assert bus_client.run(world, '''
answer([create(Door()), create(Door('direct')), lookup(Door(), 'alice'),
        Door().attempt(ROOT, 'Secret', 'Seal', '')])
''', 'dave') == ['ok', 'AccessDenied', 'AccessDenied', 'AccessDenied']
    world.audited('application-create ok', 'polkit')
    assert bus_client.run(world, 'answer(create(Door(), "other"))', 'bob') == 'AccessDenied'


@pytest.mark.parametrize('door', ('bus', 'direct'))
@pytest.mark.unconfigured
def test_unconfigured(world, door):
    world.start_service()
    results = dict(bus_client.run(world, CALLS + f'''
door = Door({door!r})
answer([[call[2], door.attempt(*call)] for call in calls()
        if '.'.join(call[1:3]) not in secret_calls() or call[2] in ('Seal', 'Unseal')])
'''))
    assert results.pop('Reload') == 'ok'
    assert set(results.values()) == {'Unconfigured'}, results


def test_sealed(world):
    results = dict(bus_client.run(world, CALLS + '''
door = Door()
create(door)
assert door.attempt(ROOT, 'Secret', 'Seal', '') == 'ok' and door.state() == 'sealed'
answer([[call[2], door.attempt(*call)] for call in calls()
        if '.'.join(call[1:3]) not in {*secret_calls(), 'Manager.Reload'} or call[2] == 'Seal'])
'''))
    assert set(results.values()) == {'Sealed'}, results
    assert bus_client.run(world, '''
door = Door()
answer([door.attempt(ROOT, 'Secret', 'Unseal', 'a{sh}', fds()), door.state(), create(door)])
''') == ['ok', 'ready', 'ApplicationExists']

# SPDX-FileCopyrightText: 2026 The mastersecret authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bugs that others had, at the level of the whole service; doc/TESTING section 4 has the table of all, and
says where the others are."""
import hashlib
import os
import struct
import time
import xml.etree.ElementTree as xml

import pytest

import bus_client
from conftest import wait_until
from test_slots import SLOTS

pytestmark = pytest.mark.service


def state_files(world):
    """Name -> hash of what the service keeps."""
    found = {}
    for name in sorted(os.listdir(world.path(world.state))):
        with open(world.path(f'{world.state}/{name}'), 'rb') as file:
            found[name] = hashlib.sha256(file.read()).hexdigest()
    return found


# ---- krb5 ----

READ = """
N = ROOT + '/application/new'
def read(path, name):
    return door.call(path, 'org.freedesktop.DBus.Properties', 'Get', 'ss', OURS + '.Application', name)
def everything():
    found = {name: [read(f'{ROOT}/application/{name}', part) for part in
                    ('Type', 'Description', 'Contact', 'Users', 'Admins', 'Agents', 'Fields', 'Enabled')]
             for name in ('new', 'team')}
    mapping = door.call(N, 'Application', 'ShowMapping', 's', 'user:alice')
    found['alice'] = {key: mapping[key] for key in
                      ('account', 'external-user', 'state', 'changed-by', 'plain', 'masked')}
    return found
def values():
    return [value('password'), value('pin')]
def value(label):
    ends = os.pipe()
    door.call(ROOT, 'Credentials', 'Lookup', 'ssa{sh}', 'new', 'alice', fds(**{label: ends[1]}))
    os.close(ends[1])
    with open(ends[0], 'rb') as pipe:
        return pipe.read().hex()
def enable(on):
    word = 'Enable' if on else 'Disable'
    assert door.attempt(N, 'Application', word, '') == 'ok'
    assert door.attempt(N, 'Application', word + 'Mapping', 's', 'user:alice') == 'ok'
door = Door()
"""
WRITE = """
def update(**changes):
    assert door.attempt(N, 'Application', 'Update', 'a{sv}', variants(**changes)) == 'ok'
def put(external, plain, **masked):
    assert door.attempt(N, 'Application', 'SetMapping', 'ssa{ss}a{sh}', 'user:alice', external,
                        dbus.Dictionary(plain, signature='ss'),
                        fds(**{label: given(data) for label, data in masked.items()})) == 'ok'
assert create(door, 'new', admins=names(), fields=fields(
    ('user', False), ('password', True), ('pin', True), ('client', False))) == 'ok'
assert create(door, 'team', 'group', admins=names(), agents=names('none'),
              fields=fields(('user', False), ('password', True))) == 'ok'
put('ALICE01', {}, password=b'one')
put('', {'client': '100'})
put('', {}, pin=bytes(range(256)))
put('ALICE02', {})
put('', {'client': '200'})
update(description='described')
update(contact='somebody')
update(users=names('clerks', 'user:dave'))
update(admins=names('appadmins'))
update(agents=names('user:dave'))
assert door.attempt(N, 'Application', 'AddField', 'sb', 'added', False) == 'ok'
assert door.attempt(N, 'Application', 'RelabelField', 'ss', 'added', 'renamed') == 'ok'
put('', {'renamed': 'x'}, password=b'two')
given_values = values()
enable(False)
answer(given_values)
"""
WRITTEN = {
    'new': ['individual', 'described', 'somebody', ['clerks', 'user:dave'], ['appadmins'], ['user:dave'],
            [['user', False], ['password', True], ['pin', True], ['client', False], ['renamed', False]], False],
    'team': ['group', '', '', ['clerks'], [], ['none'], [['user', False], ['password', True]], True],
    'alice': {'account': 'user:alice', 'external-user': 'ALICE02', 'state': 'disabled-by-administrator',
              'changed-by': 0, 'plain': {'client': '200', 'renamed': 'x'}, 'masked': ['password', 'pin']},
}


def test_krb5_c877f13c89_every_field_read_back_after_write(world):
    """And 4ed7da3789: each part, changed by itself, is there: at once, from the view after a stop, from the journal."""
    values = [b'two'.hex(), bytes(range(256)).hex()]
    assert bus_client.run(world, READ + WRITE) == values
    for change in ('true', 'true', f'rm {world.state}/view'):
        assert bus_client.run(world, READ + 'answer(everything())') == WRITTEN, change
        world.kill_service('TERM')
        world.run(change)
    assert bus_client.run(world, READ + 'answer(everything())') == WRITTEN
    assert bus_client.run(world, READ + 'enable(True)\nanswer(values())') == values


# ---- gnome-keyring ----

BYTES = """
import fcntl
VALUES = [b'\\n', b'line\\nbreak\\n', b'\\0', b'\\0\\n\\0', b'\\r\\n', bytes(range(256)), b'\\xff' * 65536, b'\\n' * 65536,
          b'[section]\\nkey=value\\n', b'"', b' ', b'\\xc3', b'%s%n']
def exact(door):
    ends = os.pipe()
    if door.attempt(ROOT, 'Credentials', 'Lookup', 'ssa{sh}', 'erp', '', fds(password=ends[1])) != 'ok':
        return None
    os.close(ends[1])
    with open(ends[0], 'rb') as pipe:
        return pipe.read()
def pipe_of(data):
    ends = os.pipe()
    fcntl.fcntl(ends[0], 1031, 1 << 17)  # F_SETPIPE_SZ
    os.write(ends[1], data)
    os.close(ends[1])
    return ends[0]
door, result = Door(), []
for value in VALUES:
    assert door.attempt(ERP, 'Application', 'SetMapping', 'ssa{ss}a{sh}', '', 'A', texts(),
                        fds(password=pipe_of(value))) == 'ok'
    result.append(exact(door) == value)
answer(result)
"""


def test_gnome_keyring_50_newline_in_a_secret(world):
    """Any bytes come back as they were, after a restart too."""
    assert bus_client.run(world, "answer(create(Door()))") == 'ok'
    assert bus_client.run(world, BYTES, 'alice') == [True] * 13
    for value in ('line\nbreak\n', '\n'):
        assert bus_client.run(world, f"answer(set_mapping(Door(), '', 'A', {value.encode()!r}))", 'alice') == 'ok'
        world.restart_service()
        assert bus_client.run(world, "answer(lookup(Door()))", 'alice') == value


def flip(world, name, place):
    with open(world.path(f'{world.state}/{name}'), 'r+b') as file:
        file.seek(place, os.SEEK_END if place < 0 else os.SEEK_SET)
        byte = file.read(1)[0]
        file.seek(place, os.SEEK_END if place < 0 else os.SEEK_SET)
        file.write(bytes([byte ^ 0x40]))


@pytest.mark.parametrize('name,place', (('keyring', -20), ('journal', 300)))
def test_gnome_keyring_50_unreadable_store_is_refused_and_kept(world, name, place):
    """Never an empty store in the place of one that cannot be read: refused, and every file stays as it is."""
    assert bus_client.run(world, """
door = Door()
answer([create(door), set_mapping(door, 'user:alice', 'ALICE01')])""") == ['ok', 'ok']
    world.kill_service('TERM')
    flip(world, name, place)
    world.run(f'rm {world.state}/view')
    before = state_files(world)
    state, created, opened = bus_client.run(world, """
door = Door()
answer([door.state(), create(door, 'second'), door.attempt(ROOT, 'Secret', 'Unseal', 'a{sh}', fds())])""")
    assert state == 'sealed' and created == 'Sealed' and opened == 'Damaged'
    refused = world.run('mastersecret secret generate --backup /root/second --passphrase-file '
                        '/root/mastersecret.passphrase', check=False)
    assert refused.returncode == 5, refused
    world.kill_service('TERM')
    assert state_files(world).items() >= before.items()
    flip(world, name, place)
    assert bus_client.run(world, "answer(lookup(Door(), 'alice'))") == 'secret'


# ---- Kubernetes ----

def nonces(world):
    """Of each record under alice's key in the journal: version -> nonce (doc/FORMAT, sections 5.3 and 2)."""
    with open(world.path(f'{world.state}/journal'), 'rb') as file:
        data = file.read()
    found, at = {}, data.find(b'ualice')
    while at >= 0:
        record = data[at + 10:at + 10 + 14 + 24]
        found[struct.unpack('<Q', record[6:14])[0]] = record[14:]
        at = data.find(b'ualice', at + 1)
    return found


def test_kms_v2_nonce_after_vm_restore(world):
    """The same write, each time from the same copy of the state folder, as after a machine was restored."""
    assert bus_client.run(world, """
door = Door()
answer([create(door), set_mapping(door, 'user:alice', 'ALICE01')])""") == ['ok', 'ok']
    world.kill_service('TERM')
    world.run(f'cp -a {world.state} /root/image; cp -a {world.anchor} /root/anchor')
    seen = []
    for value in (b'same', b'same', b'other'):
        world.run(f'rm -rf {world.state}/* {world.anchor}/*; cp -a /root/image/. {world.state}; '
                  f'cp -a /root/anchor/. {world.anchor}')
        assert bus_client.run(world, f"answer(set_mapping(Door(), 'user:alice', 'ALICE01', {value!r}))") == 'ok'
        world.kill_service('TERM')
        seen.append(nonces(world))
    first = seen[0][1]
    assert len(first) == 24 and all(sorted(each) == [1, 2] and each[1] == first for each in seen)
    assert len({first} | {each[2] for each in seen}) == 4


# ---- OpenBao and Vault ----

CALLS = bus_client.SECRET_CALLS + 'calls = secret_calls()\n'


@pytest.mark.parametrize('door', ('bus', 'direct'))
def test_openbao_1496_unauthenticated_cancel(shared_world, door):
    """Every method on the master secret, as the service itself lists them, is refused to whoever is no administrator,
    whether there are keys or not, and changes nothing. A new one needs a row here."""
    text = shared_world.run(['dbus-send', '--system', '--print-reply=literal', '--dest=org.mastersecret1',
                             '/org/mastersecret1', 'org.freedesktop.DBus.Introspectable.Introspect']).stdout
    (secret,) = [interface for interface in xml.fromstring(text).iter('interface')
                 if interface.get('name') == 'org.mastersecret1.Secret']
    methods = {f"Secret.{method.get('name')}" for method in secret.iter('method')}
    assert methods <= set(bus_client.run(shared_world, CALLS + 'answer([*calls])'))
    for state, change in (('ready', None), ('sealed', 'Secret.Seal'), ('ready', 'Secret.Unseal')):
        if change:
            assert bus_client.run(shared_world, CALLS + f'answer(secret_call(Door(), {change!r}))') == 'ok'
        for user in ('alice', 'carol', 'dave'):
            results, found = bus_client.run(shared_world, CALLS + f'''
door = Door({door!r})
answer([sorted({{secret_call(door, name) for name in calls}}), door.state()])''', user)
            assert (results, found) == (['AccessDenied'], state), user


def test_vault_28880_backup_under_an_empty_passphrase(make_world):
    """And 24975: what nobody could restore, or anybody could, is refused before anything is made."""
    world = make_world(generate=False)
    *refused, made = bus_client.run(world, """
def generate(**named):
    backup = os.open('/root/backup', os.O_RDWR | os.O_CREAT, 0o600)
    result = door.attempt(ROOT, 'Secret', 'Generate', 'sssa{sh}', 'keyfile', 'hint', '/root/backup',
                          fds(backup=backup, **named), timeout=120)
    size = os.fstat(backup).st_size
    os.close(backup)
    return [result, size > 0, door.state()]
door = Door()
answer([generate(), generate(passphrase=given(b'')), generate(passphrase=given(b'1234567')),
        generate(passphrase=given(b'x' * 1025)), generate(passphrase=given(b'12345678'))])""")
    assert [row[1:] for row in refused] == [[False, 'unconfigured']] * 4
    assert [row[0] for row in refused] == ['InvalidArgument'] * 4
    assert made == ['ok', True, 'ready']


def test_vault_24975_28880_restore_meets_other_shares_and_empty_keys(world):
    """A backup made when shares were others, restored where there is no keyring: by nothing empty, and no share of before
    opens what is there then; what was asked for does."""
    made = world.run(['mastersecret', 'secret', 'recipient', 'new', '--private-file', '/root/private']).stdout
    public = next(word for word in made.split() if word.startswith('ms1-public-'))
    old, new, backup = bus_client.run(world, SLOTS + f"""
door = Door()
number, old = shares(door, 'AddSlot', 'sua{{sh}}', 'shares', 2, 3)
assert door.attempt(ROOT, 'Secret', 'AddRecipient', 'ss', 'safe', {public!r}) == 'ok'
made = secret(door, 'Backup', 'ssa{{sh}}', '', '', backup=os.open('/root/backup', os.O_RDWR | os.O_CREAT, 0o600))
_, new = shares(door, 'ReplaceSlot', 'uua{{sh}}', number, 3, 4)
answer([old, new, isinstance(made[1], int)])""")
    assert backup
    world.kill_service('TERM')
    world.run(f'rm {world.state}/keyring {world.state}/keyfile')
    before = {name: data for name, data in state_files(world).items() if name != 'lock'}
    restore = SLOTS + """
door = Door()
def restore(**pipes):
    got = secret(door, 'Restore', 'ba{sv}a{sh}', False, variants(), backup=os.open('/root/backup', os.O_RDONLY), **pipes)
    return str(got[0]) if isinstance(got, list) else 'ok'
private = open('/root/private', 'rb').read().strip()
"""
    assert bus_client.run(world, restore + """
answer([restore(), restore(passphrase=given(b'')), restore(**{'private-key': given(b'')}),
        restore(**{'private-key': given(private), 'passphrase': given(b'')}), door.state()])""") == \
        ['InvalidArgument'] * 4 + ['unconfigured']
    assert state_files(world).items() >= before.items()
    assert bus_client.run(world, restore + f"""
answer([restore(**{{'private-key': given(private)}}), [slot[1] for slot in slots(door)], seal(door),
        *[enter(door, text) for text in {[old[0], old[2], new[0], new[3]]!r}], progress(door), unseal(door), door.state()])
""") == ['ok', ['keyfile'], 'ok', *['BadShare'] * 4, [0, 0], 'ok', 'ready']


# ---- SSSD ----

def test_sssd_b8f28d9aa_a_key_beside_the_data_is_called_so(shared_world):
    advice = bus_client.run(shared_world, """
answer(Door().call(ROOT, 'org.freedesktop.DBus.Properties', 'Get', 'ss', OURS + '.Manager', 'Advice'))""")
    assert any('protects nothing against whoever reads this disk' in line for line in advice), advice
    assert 'protects nothing' in shared_world.run('mastersecret status').stdout


def test_sssd_8108_refused_once_is_not_offline_for_ever(world):
    """A bus that comes back without our policy refuses the name; when it is there again, so is the service."""
    pid = world.start_service()
    policy = '/usr/share/dbus-1/system.d/org.mastersecret1.conf'
    world.run(f'mv {policy} /root/policy')
    world.restart_bus()
    time.sleep(1)  # it asks again every 0.1, 0.2, 0.4 ... 5 s
    assert world.service_pid() is None
    assert bus_client.run(world, "answer(Door('direct').state())") == 'ready'
    world.run(f'mv /root/policy {policy}; kill -HUP "$(cat /run/dbus/pid)"')
    wait_until(lambda: world.service_pid() == pid, 'the name to be taken again')
    assert bus_client.run(world, "answer(Door().state())") == 'ready'

# SPDX-FileCopyrightText: 2026 The mastersecret authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Descriptors that are not what they should be: each is refused by name, none is kept, nobody waits."""
import os

import pytest

import bus_client

pytestmark = pytest.mark.service

BAD = r'''
import pty
def pipe(size=None):
    return os.pipe()
def filled():
    read, write = os.pipe()
    os.set_blocking(write, False)
    try:
        while True:
            os.write(write, b'x' * 4096)
    except BlockingIOError:
        return read, write
def nothing(flags):
    return os.open('/dev/null', flags)
def regular():
    return os.open('/tmp/plain-%d' % os.getpid(), os.O_RDWR | os.O_CREAT, 0o600)
def set_with(fd):
    return door.attempt(ERP, 'Application', 'SetMapping', 'ssa{ss}a{sh}', '', '', texts(),
                        fds(password=fd))
def verify_with(fd):
    return door.attempt(ROOT, 'Credentials', 'Verify', 'sssh', 'erp', '', 'password', UnixFd(fd))
def lookup_with(fd):
    return door.attempt(ROOT, 'Credentials', 'Lookup', 'ssa{sh}', 'erp', '', fds(password=fd))
def unseal_with(fd):
    return door.attempt(ROOT, 'Secret', 'Unseal', 'a{sh}', fds(passphrase=fd))
'''


@pytest.fixture(scope='module')
def furnished(shared_world):
    assert bus_client.run(shared_world, '''
door = Door()
answer([create(door, fields=fields(('user', False), ('password', True), ('pin', True),
                                   ('client', False))),
        set_mapping(door, 'user:alice', 'ALICE01')])
''') == ['ok', 'ok']
    return shared_world


def open_descriptors(world):
    return len(os.listdir(world.path(f'/proc/{world.service_pid()}/fd')))


@pytest.fixture
def unchanged(furnished):
    """After the test the service holds as many descriptors as before, and still answers."""
    before = open_descriptors(furnished)
    yield furnished
    assert bus_client.run(furnished, 'answer(lookup(Door()))', 'alice') == 'secret'
    assert open_descriptors(furnished) == before


@pytest.mark.parametrize('door', ('bus', 'direct'))
@pytest.mark.parametrize('use', ('set_with', 'verify_with'))
def test_giving(unchanged, door, use):
    assert bus_client.run(unchanged, BAD + f'''
door = Door({door!r})
use = {use}
answer([use(pty.openpty()[1]), use(os.open('/', os.O_RDONLY)), use(pipe()[1]),
        use(nothing(os.O_RDONLY)), use(regular()), use(socket.socketpair()[0].detach())])
''', 'alice') == ['BadDescriptor'] * 6


@pytest.mark.parametrize('door', ('bus', 'direct'))
def test_receiving(unchanged, door):
    assert bus_client.run(unchanged, BAD + f'''
door = Door({door!r})
closed = os.pipe()
os.close(closed[0])
answer([lookup_with(pty.openpty()[1]), lookup_with(os.open('/', os.O_RDONLY)),
        lookup_with(pipe()[0]), lookup_with(filled()[1]), lookup_with(nothing(os.O_WRONLY)),
        lookup_with(regular()), lookup_with(closed[1])])
''', 'alice') == ['BadDescriptor'] * 7


@pytest.mark.parametrize('door', ('bus', 'direct'))
def test_pipe_that_never_ends(unchanged, door):
    result, seconds, other = bus_client.run(unchanged, BAD + f'''
door = Door({door!r})
begin = time.monotonic()
pid = os.fork()
if pid == 0:  # somebody else is answered meanwhile
    begin = time.monotonic()
    lookup(Door({door!r}))
    os._exit(time.monotonic() - begin > 0.9)
result = verify_with(given(b'secret', end=False))
answer([result, time.monotonic() - begin, os.waitpid(pid, 0)[1]])
''', 'alice')
    assert result == 'BadDescriptor' and 0.9 < seconds < 10 and other == 0


@pytest.mark.parametrize('door', ('bus', 'direct'))
def test_late_writer(unchanged, door):
    assert bus_client.run(unchanged, BAD + f'''
door = Door({door!r})
read, write = os.pipe()
if os.fork() == 0:
    os.close(read)
    for byte in b'secret':
        time.sleep(0.05)
        os.write(write, bytes([byte]))
    os._exit(0)
os.close(write)
answer(bool(door.call(ROOT, 'Credentials', 'Verify', 'sssh', 'erp', '', 'password', UnixFd(read))[0]))
''', 'alice') is True


def test_flags_of_the_callers_pipe_stay(unchanged):
    """O_NONBLOCK belongs to the caller; the service neither needs nor changes it."""
    assert bus_client.run(unchanged, BAD + '''
door = Door()
read, write = os.pipe()
before = os.get_blocking(read)
verify_with(read)
answer([before, os.get_blocking(read), os.get_blocking(write)])
''', 'alice') == [True, True, True]


@pytest.mark.parametrize('door', ('bus', 'direct'))
def test_names(unchanged, door):
    assert bus_client.run(unchanged, BAD + f'''
door = Door({door!r})
def set_named(**named):
    return door.attempt(ERP, 'Application', 'SetMapping', 'ssa{{ss}}a{{sh}}', '', '', texts(),
                        fds(**named))
def lookup_named(**named):
    return door.attempt(ROOT, 'Credentials', 'Lookup', 'ssa{{sh}}', 'erp', '', fds(**named))
answer([set_named(nothing=given(b'x')), set_named(client=given(b'x')), set_named(user=given(b'x')),
        lookup_named(nothing=pipe()[1]), lookup_named(client=pipe()[1]),
        lookup_named(pin=pipe()[1]), lookup_named(password=pipe()[1], pin=pipe()[1])])
''', 'alice') == ['FieldNotFound', 'InvalidArgument', 'InvalidArgument', 'FieldNotFound',
                  'InvalidArgument', 'CredentialsNotSet', 'CredentialsNotSet']


def test_unseal(unchanged):
    assert bus_client.run(unchanged, BAD + '''
door = Door()
answer([unseal_with(pty.openpty()[1]), unseal_with(os.open('/', os.O_RDONLY)),
        door.attempt(ROOT, 'Secret', 'Unseal', 'a{sh}', fds(other=given(b'12345678')))])
''') == ['BadDescriptor', 'BadDescriptor', 'InvalidArgument']


@pytest.mark.parametrize('door', ('bus', 'direct'))
def test_seventeen(unchanged, door):
    """Only their sender is disconnected, by the bus or by the service."""
    assert bus_client.run(unchanged, BAD + f'''
door = Door({door!r})
many = {{'f%d' % i: given(b'x') for i in range(17)}}
sixteen = {{name: many[name] for name in list(many)[:16]}}
first = door.attempt(ERP, 'Application', 'SetMapping', 'ssa{{ss}}a{{sh}}', '', '', texts(),
                     fds(**sixteen))
second = door.attempt(ERP, 'Application', 'SetMapping', 'ssa{{ss}}a{{sh}}', '', '', texts(),
                      fds(**many))
answer([first, second not in ('ok', 'FieldNotFound')])
''', 'alice') == ['FieldNotFound', True]


@pytest.mark.unconfigured
def test_generate(world):
    world.start_service()
    assert bus_client.run(world, BAD + r'''
door = Door()
def generate(passphrase=None, backup=None, mode=0o600, slot='keyfile', flags=os.O_RDWR, **more):
    path = '/root/b%d' % len(os.listdir('/root'))
    file = os.open(path, os.O_CREAT | flags, mode)
    os.fchmod(file, mode)
    return door.attempt(ROOT, 'Secret', 'Generate', 'sssa{sh}', slot, 'hint', path,
                        fds(passphrase=passphrase or given(b'long enough'),
                            backup=backup or file, **more), timeout=30)
full = os.open('/root/full', os.O_RDWR | os.O_CREAT, 0o600)
os.write(full, b'x')
answer([generate(passphrase=given(b'short')), generate(passphrase=given(b'l' * 1025)),
        generate(passphrase=pty.openpty()[1]), generate(backup=os.pipe()[1]),
        generate(backup=os.open('/', os.O_RDONLY)), generate(mode=0o644), generate(flags=os.O_WRONLY),
        generate(backup=full), generate(slot='other'), generate(other=given(b'x')),
        door.attempt(ROOT, 'Secret', 'Generate', 'sssa{sh}', 'keyfile', '', '', fds()),
        door.state(), generate(), door.state(), generate()])
''') == ['InvalidArgument', 'InvalidArgument', 'BadDescriptor', 'BadDescriptor', 'BadDescriptor',
         'BadDescriptor', 'BadDescriptor', 'BadDescriptor', 'InvalidArgument', 'InvalidArgument',
         'InvalidArgument', 'unconfigured', 'ok', 'ready', 'AlreadyConfigured']

# SPDX-FileCopyrightText: 2026 The mastersecret authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client that knows nothing of our library. Imported by tests it runs Python in a world as a user
(`run`); the text of PRELUDE is what that Python has at hand."""
import json

PRELUDE = r'''
import json, os, pwd, select, socket, struct, sys, time
import dbus, dbus.bus, dbus.connection
from dbus.types import UnixFd
ROOT = '/org/mastersecret1'
ERP = ROOT + '/application/erp'
OURS = 'org.mastersecret1'
DIRECT = 'unix:path=/run/mastersecret/direct'
ERRORS = OURS + '.Error.'
STANDARD = 'org.freedesktop.DBus.Error.'
DOORS = ('bus', 'direct')

def connect(door='bus'):
    if door == 'direct':
        return dbus.connection.Connection(DIRECT)
    return dbus.bus.BusConnection('unix:path=/run/dbus/system_bus_socket')

class Door:
    def __init__(self, door='bus'):
        self.door, self.connection = door, connect(door)
        # Descriptors can be sent once the connection is authenticated.
        self.call('/', 'org.freedesktop.DBus.Peer', 'Ping', '')
    def call(self, path, interface, member, signature, *arguments, timeout=60):
        if '.' not in interface:
            interface = f'{OURS}.{interface}'
        return self.connection.call_blocking(
            OURS if self.door == 'bus' else None, path, interface, member, signature, arguments,
            timeout=timeout)
    def attempt(self, *arguments, **options):
        """'ok', or the error's name without its prefix."""
        try:
            self.call(*arguments, **options)
            return 'ok'
        except dbus.DBusException as error:
            name = error.get_dbus_name() or str(error)
            for prefix in (ERRORS, STANDARD):
                if name.startswith(prefix):
                    return name[len(prefix):]
            return name
    def manager(self, name):
        return self.call(ROOT, 'org.freedesktop.DBus.Properties', 'Get', 'ss', OURS + '.Manager', name)
    def state(self, seconds=60):
        """The state that stays: a rebuild under way is waited for."""
        end = time.monotonic() + seconds
        while (state := str(self.manager('State'))) == 'rebuilding' and time.monotonic() < end:
            time.sleep(0.01)
        return state

def connect_as(user, door='bus'):
    """A door that root opens as somebody else: the kernel says who connects, for good."""
    entry = pwd.getpwnam(user)
    os.setgroups(os.getgrouplist(user, entry.pw_gid))
    os.setegid(entry.pw_gid)
    os.seteuid(entry.pw_uid)
    try:
        return Door(door)
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups([0])

def given(data, end=True):
    """The read end of a pipe that holds the bytes."""
    read, write = os.pipe()
    os.set_blocking(write, False)
    os.write(write, data)
    if end:
        os.close(write)
    else:
        KEPT.append(write)
    return read
KEPT = []

def fds(**named):
    return dbus.Dictionary({name: UnixFd(fd) for name, fd in named.items()}, signature='sh')

def texts(**named):
    return dbus.Dictionary(named, signature='ss')

def variants(**named):
    return dbus.Dictionary(named, signature='sv')

def names(*list_):
    return dbus.Array(list_, signature='s')

def fields(*list_):
    return dbus.Array(list_, signature='(sb)')

def create(door, name='erp', kind='individual', **options):
    definition = {'users': names('clerks'), 'admins': names('appadmins'), 'enabled': True,
                  'fields': fields(('user', False), ('password', True), ('client', False))}
    definition.update(options)
    return door.attempt(ROOT, 'Applications', 'Create', 'ssa{sv}', name, kind, variants(**definition))

def set_mapping(door, account, external, value=b'secret', path=ERP):
    return door.attempt(path, 'Application', 'SetMapping', 'ssa{ss}a{sh}', account, external,
                        texts(), fds(password=given(value)))

def lookup(door, user='', application='erp'):
    read, write = os.pipe()
    result = door.attempt(ROOT, 'Credentials', 'Lookup', 'ssa{sh}', application, user,
                          fds(password=write))
    os.close(write)
    data = os.read(read, 65536)
    os.close(read)
    return result if result != 'ok' else data.decode('latin-1')

def verify(door, candidate, user='', application='erp'):
    try:
        return bool(door.call(ROOT, 'Credentials', 'Verify', 'sssh', application, user, '',
                              UnixFd(given(candidate)))[0])
    except dbus.DBusException as error:
        return error.get_dbus_name().rsplit('.', 1)[-1]

def answer(value):
    print(json.dumps(value))
'''

# Every method on the master secret and on all records: signature and arguments that ask for nothing possible.
SECRET_CALLS = r'''
def secret_calls():
    none = dbus.Dictionary({}, signature='sh')
    number = dbus.UInt32(99)
    return {
        'Secret.Generate': ('sssa{sh}', 'keyfile', '', '/x', none),
        'Secret.Seal': ('',),
        'Secret.Unseal': ('a{sh}', none),
        'Secret.Rotate': ('a{sv}a{sh}', variants(), none),
        'Secret.PauseRotation': ('',),
        'Secret.ResumeRotation': ('',),
        'Secret.SetRotationRate': ('u', number),
        'Secret.EnterShare': ('a{sh}', none),
        'Secret.CancelShares': ('',),
        'Secret.AddSlot': ('sua{sh}', 'passphrase', number, none),
        'Secret.ReplaceSlot': ('uua{sh}', number, number, none),
        'Secret.RemoveSlot': ('u', number),
        'Secret.TestSlot': ('ua{sh}', number, none),
        'Secret.AddRecipient': ('ss', 'safe', 'no key'),
        'Secret.RemoveRecipient': ('s', 'safe'),
        'Secret.Backup': ('ssa{sh}', '', '/x', none),
        'Secret.BackupToDirectory': ('s', ''),
        'Secret.VerifyBackup': ('a{sh}', none),
        'Secret.Restore': ('ba{sv}a{sh}', False, variants(), none),
        'Secret.Census': ('',),
        'Secret.Check': ('b', False),
        'Manager.Export': ('a{sh}', none),
        'Manager.Import': ('a{sh}', none),
    }
def secret_call(door, name):
    signature, *arguments = secret_calls()[name]
    return door.attempt(ROOT, *name.split('.'), signature, *arguments)
'''

# Messages made by hand, and sockets without a D-Bus library.
RAW = r'''
def raw(authenticate=True):
    client = socket.socket(socket.AF_UNIX)
    client.connect('/run/mastersecret/direct')
    if authenticate:
        client.sendall(b'\0AUTH EXTERNAL ' + str(os.geteuid()).encode().hex().encode() + b'\r\n')
        assert client.recv(1000).startswith(b'OK')
        client.sendall(b'BEGIN\r\n')
    return client
def padded(data, size=8):
    return data + b'\0' * (-len(data) % size)
def field(code, kind, text):
    return (bytes([code, len(kind)]) + kind + b'\0'
            + (struct.pack('<I', len(text)) if kind != b'g' else bytes([len(text)])) + text + b'\0')
def message(serial, path, interface, member, signature=b'', body=b'', sender=b'', destination=b'', flags=0):
    fields = [field(1, b'o', path), field(2, b's', interface), field(3, b's', member)]
    fields += [field(6, b's', destination)] if destination else []
    fields += [field(7, b's', sender)] if sender else []
    fields += [field(8, b'g', signature)] if signature else []
    # The last one is not padded within the array.
    fields = b''.join(padded(field) for field in fields[:-1]) + fields[-1]
    return padded(struct.pack('<cBBBIII', b'l', 1, flags, 1, len(body), serial, len(fields)) + fields) + body
def string(text):
    return padded(struct.pack('<I', len(text)) + text + b'\0', 4)
def gone(client, seconds):
    client.settimeout(seconds)
    try:
        while client.recv(65536):
            pass
        return True
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False
'''


def run(world, code, user='root', timeout=300):
    """What the code gave to answer()."""
    done = world.run(['/usr/bin/python3', '-c', PRELUDE + code], user, timeout=timeout)
    return json.loads(done.stdout.splitlines()[-1])

# SPDX-FileCopyrightText: 2026 The mastersecret authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a world holds beside the machine's own files: the project as installed, its users, the
people of the examples, the system bus and a log."""
import io
import os
import shutil
import socket
import subprocess
import tarfile
import time

ENVIRONMENT = {'PATH': '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
               'HOME': '/root', 'LANG': 'C.UTF-8', 'SHELL': '/bin/bash', 'USER': 'root'}
BUS_SOCKET = '/run/dbus/system_bus_socket'
BUS_LOG = '/var/log/world-bus.log'
AUDIT_LOG = '/var/log/mastersecret-audit.log'
DAEMON = '/usr/libexec/mastersecretd'
BACKUP = '/root/mastersecret.backup'
PASSPHRASE = 'the passphrase of this world'

# Name, uid, supplementary group, hash of the password "NAME-login".
USERS = (
    ('alice', 20001, 'clerks', '$6$rounds=1000$worldalice$9x7STYBy8Z2DjsdldTrgjCUcS9nQ6xMQoWsz'
     '1TOPtlTCiDfj9uaQmkEzLRIXZNuj/DBNvQLxXjQShoXJMKNEx0'),
    ('bob', 20002, 'clerks', '$6$rounds=1000$worldbob$Ut2HGUDFTD6q0XYbUy74GuzZgZtcE17GMgKMdpf6bs'
     'CGaqLcLFfehOT.cy.PvMMoiH/e9wnr8Xfn/KR3pixY9/'),
    ('carol', 20003, 'appadmins', '$6$rounds=1000$worldcarol$HCWxW6n3ejy46JYC7lW.jQxufCdLpvWQBRq'
     'yuCNUi6tUiTs6HhhPtlvTRd2SIhdFhT19Rc8Rv6BwBtejuQP.Z/'),
    ('dave', 20004, None, '$6$rounds=1000$worlddave$lk8FakZJNXUPKPOq4/hS1AG16KH5AYfYFc/QAE5xV5IqjX'
     'NZCkO318Hpm.HyGprAoDTukumYQdtImpLjF0Tg91'),
)
GROUPS = (('clerks', 20011), ('appadmins', 20012))


def disk(stage, daemon):
    """What is on the disk of the world this process is PID 1 of."""
    os.environ.clear()
    os.environ.update(ENVIRONMENT)
    name_host()
    make_people()
    install(stage)
    if daemon:
        replace_daemon(daemon)


def processes(generate, archive):
    """What runs in it, as on a machine without systemd; the service by the first who calls it."""
    listen_for_log()
    start_bus()
    if archive:
        unpack_secret(archive)
    elif generate and os.path.exists(DAEMON):
        generate_secret()


def _command(*arguments, **options):
    done = subprocess.run(arguments, stdin=options.pop('stdin', subprocess.DEVNULL),
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                          text=True, **options)
    if done.returncode:
        raise OSError(f"cannot run {' '.join(arguments)}: {done.stdout.strip()}")


def name_host():
    socket.sethostname('world')
    _write('/etc/hostname', 'world\n')
    _write('/etc/hosts', '127.0.0.1 localhost world\n::1 localhost world\n')
    _write('/etc/machine-id', os.urandom(16).hex() + '\n')
    os.makedirs('/var/lib/dbus', exist_ok=True)
    if os.path.lexists('/var/lib/dbus/machine-id'):
        os.unlink('/var/lib/dbus/machine-id')
    os.symlink('/etc/machine-id', '/var/lib/dbus/machine-id')


def read(path):
    with open(path, 'rb') as file:
        return file.read()


def _write(path, text, mode=0o644):
    with open(path, 'w', encoding='utf-8') as file:
        os.fchmod(file.fileno(), mode)
        file.write(text)


def listen_for_log():
    """A process of its own takes what syslog(3) sends, one line for each message."""
    with open('/proc/sys/net/unix/max_dgram_qlen', 'w', encoding='ascii') as length:
        length.write('512')  # as systemd sets it at boot; the kernel's own is 10
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    listener.bind('/dev/log')
    os.chmod('/dev/log', 0o666)
    _write(AUDIT_LOG, '', 0o640)
    if os.fork() == 0:
        _close_other(listener.fileno())
        with open(AUDIT_LOG, 'ab', buffering=0) as log:
            while True:
                log.write(listener.recv(65536).rstrip(b'\0\n').replace(b'\n', b'#012') + b'\n')
    listener.close()


def _close_other(kept):
    """A process that stays must not hold the caller's terminal or pipes open."""
    null = os.open('/dev/null', os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(null, number)
    os.closerange(3, kept)
    os.closerange(kept + 1, 1024)


def make_people():
    days = int(time.time()) // 86400
    names = {user[0] for user in USERS} | {group[0] for group in GROUPS}
    for path, lines in (
            ('/etc/passwd', [f'{n}:x:{i}:{i}:{n}:/home/{n}:/bin/bash' for n, i, _, _ in USERS]),
            ('/etc/shadow', [f'{n}:{h}:{days}:0:99999:7:::' for n, _, _, h in USERS]),
            ('/etc/group', [f'{n}:x:{i}:' for n, i, _, _ in USERS] +
             [f"{n}:x:{i}:{','.join(u[0] for u in USERS if u[2] == n)}" for n, i in GROUPS]),
            ('/etc/gshadow', [f'{n}:!::' for n, _, _, _ in USERS] +
             [f"{n}:!::{','.join(u[0] for u in USERS if u[2] == n)}" for n, _ in GROUPS])):
        _replace_lines(path, names, lines)
    for name, uid, _, _ in USERS:
        home = f'/home/{name}'
        shutil.rmtree(home, ignore_errors=True)
        os.makedirs(home)
        os.chown(home, uid, uid)
        os.chmod(home, 0o700)


def _replace_lines(path, names, lines):
    mode = 0o640 if 'shadow' in path else 0o644
    kept = []
    if os.path.exists(path):
        with open(path, encoding='utf-8') as file:
            kept = [line for line in file.read().splitlines() if line.split(':')[0] not in names]
    _write(path, '\n'.join(kept + lines) + '\n', mode)


def install(stage):
    """What `make install` would do: the same files, owned by root."""
    for folder, _, files in os.walk(stage):
        target = os.path.normpath('/' + os.path.relpath(folder, stage))
        os.makedirs(target, exist_ok=True)
        for name in files:
            source, path = os.path.join(folder, name), os.path.join(target, name)
            if os.path.lexists(path):
                os.unlink(path)
            shutil.copy2(source, path, follow_symlinks=False)
            os.chown(path, 0, 0, follow_symlinks=False)
    _command('systemd-sysusers', 'mastersecret.conf')
    _command('systemd-tmpfiles', '--create', 'mastersecret.conf')


def replace_daemon(path):
    """Another build of the service (a sanitized one), or a program that runs the installed one as
    DAEMON.plain; its reports go to a file, as the activated service starts with an empty environment
    and nowhere to write to."""
    os.rename(DAEMON, DAEMON + '.plain')
    shutil.copy2(path, DAEMON + '.real')
    os.chmod(DAEMON + '.real', 0o755)
    os.makedirs('/var/log/sanitizer', exist_ok=True)
    os.chmod('/var/log/sanitizer', 0o1777)
    report = 'log_path=/var/log/sanitizer/report'
    _write(DAEMON, f'#!/bin/sh\nASAN_OPTIONS={report} UBSAN_OPTIONS={report}:print_stacktrace=1 '
           f'TSAN_OPTIONS={report}\nexport ASAN_OPTIONS UBSAN_OPTIONS TSAN_OPTIONS\n'
           f'exec {DAEMON}.real "$@"\n', 0o755)


def start_bus():
    os.makedirs('/run/dbus', exist_ok=True)
    with open(BUS_LOG, 'ab') as log, open('/dev/null', 'rb') as null:
        subprocess.Popen(('dbus-daemon', '--system', '--nofork'),  # pylint: disable=R1732
                         stdin=null, stdout=log, stderr=log, start_new_session=True)
    deadline = time.monotonic() + 60
    while not _listens():
        if time.monotonic() > deadline:
            with open(BUS_LOG, encoding='utf-8') as log:
                raise OSError(f'cannot start the system bus: {log.read().strip()}')
        time.sleep(0.005)


def _listens():
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(BUS_SOCKET)
        except OSError:
            return False
    return True


def generate_secret():
    _write('/root/mastersecret.passphrase', PASSPHRASE, 0o600)
    _command('mastersecret', 'secret', 'generate', '--backup', BACKUP, '--hint', 'this world',
             '--passphrase-file', '/root/mastersecret.passphrase')


def unpack_secret(archive):
    """What generate_secret() left in another world, after a clean stop."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall('/')
    _command('busctl', 'call', 'org.mastersecret1', '/org/mastersecret1', 'org.freedesktop.DBus.Peer', 'Ping')

# SPDX-FileCopyrightText: 2026 The mastersecret authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs that let people in, as a machine has them, in a world in which the samples are their
stacks. attempt() makes one login by one of them; attempts() one by each, at once."""
import concurrent.futures
import contextlib
import json
import re
import time
from typing import Callable, NamedTuple

from conftest import wait_until

SAMPLES = '/usr/share/doc/mastersecret/pam'
SECRET = "Tr0ub4dor&3 'canary'"
ASKPASS = '/usr/local/libexec/askpass'
KEY = '/etc/ssh/user_key'
POSTGRES = '/tmp/postgresql'

# What runs in the world to type at a terminal of its own: a list of (what to wait for, what to type
# then). It ends when the program does, or says one of the words that end it.
TERMINAL = r'''
import json, os, pty, re, select, sys, time
talk = json.load(sys.stdin)
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(talk['command'][0], talk['command'])
said, seen, deadline = b'', 0, time.monotonic() + talk['seconds']
steps, end = talk['steps'], talk['end'].encode()
while time.monotonic() < deadline and not re.search(end, said):
    if steps and (found := re.search(steps[0][0].encode(), said[seen:])):
        seen += found.end()
        os.write(terminal, steps.pop(0)[1].encode() + b'\n')
    if select.select([terminal], [], [], 0.1)[0]:
        try:
            said += os.read(terminal, 4096)
        except OSError:
            break
os.close(terminal)
os.kill(pid, 9)
sys.stdout.buffer.write(said)
'''


class Attempt(NamedTuple):
    """said: what the command put out in the session, '' if there was none."""
    said: str
    errors: str
    seconds: float


def furnish(world):
    """Application erp with a mapping of alice; an sshd; a PostgreSQL with roles like the users."""
    world.run(['mastersecret', 'app', 'create', 'erp', '--users', 'clerks', '--admins', 'appadmins',
               '--field', 'user', '--field', 'password:masked', '--field', 'client', '--agents',
               'user:postgres', '--enable'])
    world.run(['mastersecret', 'map', 'set', 'erp', '--external', 'ALICE01', '--field', 'client=100',
               '--stdin'], user='alice', input=SECRET)
    # su's own delay of a refusal hides how long the module took.
    world.write('/etc/default/su', 'FAIL_DELAY 0\n')
    world.write('/etc/sudoers.d/world', 'Defaults passwd_tries=1, lecture=never\n'
                '%clerks ALL=(ALL) ALL\n', 0o440)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        for done in [pool.submit(start_sshd, world), pool.submit(start_postgresql, world)]:
            done.result()
    return world


def start_sshd(world):
    world.run(['install', '-d', '/run/sshd', '/usr/local/libexec'])
    world.write(ASKPASS, '#!/bin/sh\nprintf "%s\\n" "$PASSWORD"\n', 0o755)
    world.run(f'ssh-keygen -q -t ed25519 -N "" -f {KEY} && cp {KEY}.pub /etc/ssh/keys && '
              f'cp {KEY} /etc/ssh/host_key')
    world.write('/etc/ssh/world_config', '''ListenAddress 127.0.0.1
HostKey /etc/ssh/host_key
AuthorizedKeysFile /etc/ssh/keys
UsePAM yes
PasswordAuthentication yes
KbdInteractiveAuthentication yes
''')
    world.run(['/usr/sbin/sshd', '-f', '/etc/ssh/world_config', '-E', '/var/log/sshd.log'])


def start_postgresql(world):
    """A cluster on a tmpfs that trusts its superuser; everybody else comes through PAM."""
    world.run(f'''install -d -o postgres -m 700 {POSTGRES} && cd {POSTGRES} &&
PATH=$(ls -d /usr/lib/postgresql/*/bin | tail -n 1):$PATH
postgres() {{ setpriv --reuid postgres --regid postgres --init-groups "$@"; }}
postgres initdb -D {POSTGRES} -A trust --no-sync >/dev/null
printf '%s\n' "local all postgres trust" "host all all 127.0.0.1/32 pam pamservice=postgresql" \
    >pg_hba.conf
printf '%s\n' "fsync=off" "unix_socket_directories='/tmp'" "listen_addresses='127.0.0.1'" \
    >>postgresql.conf
postgres pg_ctl -D {POSTGRES} -l {POSTGRES}/log -w start >/dev/null
psql -qh /tmp -U postgres -c "create role alice login" -c "create role bob login" postgres''')


def patient(text):
    """The same lines, which wait longer than a busy machine takes: a second is what they wait for by themselves."""
    return re.sub(r'application=\w+', r'\g<0> timeout=30000', text)


def stack(world, sample, service, *changes, in_trouble=False):
    """Makes a sample, changed by (old, new) pairs, the stack of a program. in_trouble: it waits no longer than it says."""
    text = world.read(f'{SAMPLES}/{sample}')
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    world.write(f'/etc/pam.d/{service}', text if in_trouble else patient(text))


def _run(world, arguments, user='root', **options):
    done = world.run(arguments, user=user, check=False, **options)
    return (done.stdout if done.returncode == 0 else ''), done.stderr


def su(world, user, password, command, *options):
    return _run(world, ['su', *options, user, '-c', command], user='dave', input=password + '\n')


def su_login(world, user, password, command):
    return su(world, user, password, command, '-')


def passwd(world, user, old, new):
    return _run(world, ['passwd'], user=user, input=f'{old}\n{new}\n{new}\n')


def sudo(world, user, password, command):
    return _run(world, ['sudo', '-S', '-k', '-p', '', 'sh', '-c', command], user=user,
                input=password + '\n')


def login(world, user, password, command):
    # What is typed is echoed, and must not look like the answer.
    typed = f"echo '<''<'\"$({command})\"'>''>'; exit"
    talk = {'command': ['login', user], 'seconds': 100, 'end': 'Login incorrect|<<[^>]*>>',
            'steps': [('assword: ', password), (r'[$#] $', typed)]}
    said = world.run(['/usr/bin/python3', '-c', TERMINAL], input=json.dumps(talk)).stdout
    found = re.search('<<(.*)>>', said, re.S)
    return (found[1].replace('\r', '') + '\n' if found else ''), said.split('world login:')[0].strip()


def _ssh(method):
    def ssh(world, user, password, command):
        return _run(world, ['env', f'SSH_ASKPASS={ASKPASS}', 'SSH_ASKPASS_REQUIRE=force',
                            f'PASSWORD={password}', 'ssh', '-F', 'none', '-i', KEY,
                            '-o', 'StrictHostKeyChecking=no', '-o', 'UserKnownHostsFile=/dev/null',
                            '-o', 'LogLevel=ERROR', '-o', 'NumberOfPasswordPrompts=1',
                            '-o', f'PreferredAuthentications={method}', f'{user}@127.0.0.1', command])
    return ssh


def psql(world, user, password, _):
    return _run(world, ['env', f'PGPASSWORD={password}', 'psql', '-h', '127.0.0.1', '-U', user,
                        '-Atc', 'select current_user', 'postgres'])


class Program(NamedTuple):
    drive: Callable
    sample: str
    service: str


PROGRAMS = {
    'su': Program(su, 'su', 'su'),
    'su -': Program(su_login, 'su', 'su-l'),
    'login': Program(login, 'login', 'login'),
    'sudo': Program(sudo, 'sudo', 'sudo'),
    'sshd password': Program(_ssh('password'), 'sshd', 'sshd'),
    'sshd keyboard-interactive': Program(_ssh('keyboard-interactive'), 'sshd', 'sshd'),
    'sshd publickey': Program(_ssh('publickey'), 'sshd', 'sshd'),
    'PostgreSQL': Program(psql, 'postgresql', 'postgresql'),
}


def stacks(world, mode, *changes, programs=PROGRAMS, in_trouble=False):
    """The samples of a mode, for programs that have one."""
    for program in programs:
        stack(world, f'{PROGRAMS[program].sample}-{mode}', PROGRAMS[program].service, *changes, in_trouble=in_trouble)


def timed(drive, *arguments):
    start = time.monotonic()
    said, errors = drive(*arguments)
    return Attempt(said, errors, time.monotonic() - start)


def attempt(world, program, user, password, command='id -un'):
    return timed(PROGRAMS[program].drive, world, user, password, command)


def attempts(world, user, password, command='id -un', programs=PROGRAMS):
    """{program: Attempt}"""
    with concurrent.futures.ThreadPoolExecutor(len(PROGRAMS)) as pool:
        running = {program: pool.submit(attempt, world, program, user, password, command)
                   for program in programs}
        return {program: future.result() for program, future in running.items()}


def in_time(found, usual, late, again):
    """found, of each program the first of several attempts that took no longer than usual and late seconds: a busy machine
    lets one of them in time, which what waits for something else never is. again(programs) makes another one."""
    for _ in range(4):
        programs = [program for program, one in found.items() if one.seconds > usual[program].seconds + late]
        if not programs:
            break
        found = found | again(programs)
    return found


# ---- What state mapping and service can be in; all is well again behind it ----

@contextlib.contextmanager
def disabled(world):
    world.run(['mastersecret', 'map', 'disable', 'erp'], user='alice')
    try:
        yield
    finally:
        world.run(['mastersecret', 'map', 'enable', 'erp'], user='alice')


@contextlib.contextmanager
def sealed(world):
    world.run(['mastersecret', 'secret', 'seal'])
    try:
        yield
    finally:
        world.run(['mastersecret', 'secret', 'unseal'])


@contextlib.contextmanager
def stopped(world):
    pid = str(world.service_pid())
    world.run(['kill', '-STOP', pid])
    try:
        yield
    finally:
        world.run(['kill', '-CONT', pid])
        serves(world)


@contextlib.contextmanager
def killed(world):
    """Who asks first has it started again."""
    world.kill_service()
    yield
    serves(world)


@contextlib.contextmanager
def absent(world):
    """Nothing runs, and nothing can be started."""
    world.run(['mv', world.daemon, world.daemon + '.away'])
    world.kill_service()
    try:
        yield
    finally:
        world.run(['mv', world.daemon + '.away', world.daemon])
        world.start_service()
        serves(world)


def stored(world, user='alice'):
    """The password that is mapped, None if there is none."""
    done = world.run(['mastersecret', 'get', 'erp'], user=user, check=False)
    return done.stdout.rstrip('\n') if done.returncode == 0 else None


def serves(world):
    wait_until(lambda: stored(world), 'the service to be well again')

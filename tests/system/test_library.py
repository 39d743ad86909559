# SPDX-FileCopyrightText: 2026 The mastersecret authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The installed library: the example of its manual page, whatever the service does."""
import os
import re

import pytest

from conftest import SOURCE, wait_until

pytestmark = pytest.mark.service

FOLDER = '/usr/local/src/example'
PROGRAM = f'{FOLDER}/example'
# Its time-out is 1 s; on a busy machine more passes. What the library did not limit would wait 5 s, or 25 s in libdbus:
# never less, whereas a busy machine lets one of several in time.
LATE = 4.5
TURNS = 8
ANSWERED = (0, 'ALICE01, 6 bytes\n', '')


def example():
    """The program in libmastersecret(3), as a reader would copy it."""
    with open(f'{SOURCE}/doc/man/libmastersecret.3', encoding='utf-8') as page:
        text = re.search(r'^\.EX\n(.*?)^\.EE$', page.read(), re.M | re.S).group(1)
    assert not re.search(r'^\.', text, re.M), 'a request within the example'
    return text.replace('\\e', '\\').replace('\\-', '-').replace('\\&', '')


def build(world, milliseconds=1000):
    world.run(['mkdir', '-p', FOLDER])
    text = example()
    assert 'set_timeout(context, 1000)' in text
    world.write(f'{FOLDER}/example.c', text.replace('(context, 1000)', f'(context, {milliseconds})'))
    world.run(f'cd {FOLDER} && cc -std=c11 -Wall -Wextra -Werror example.c -o example '
              '$(pkg-config --cflags --libs mastersecret)')
    world.run("mastersecret app create erp --users clerks --enable && "
              "printf s3cret | setpriv --reuid alice --regid alice --init-groups "
              "mastersecret map set erp --external ALICE01 --stdin")


def timed(world, **options):
    """Runs the example as alice, whose time-out is 1 s; returns the result and the seconds."""
    # The time of the program itself, without what entering the world costs.
    done = world.run(f'TIMEFORMAT=%R; time {PROGRAM} erp', user='alice', check=False, **options)
    lines = done.stderr.splitlines()
    return done.returncode, done.stdout, '\n'.join(lines[:-1]), float(lines[-1])


def in_time(world):
    """As timed(); the first of several that is not late."""
    for _ in range(TURNS):
        result = timed(world)
        if result[-1] < LATE:
            break
    return result


def is_answered(world):
    """In the second that the example waits; once, where the machine has more to do."""
    wait_until(lambda: timed(world)[:3] == ANSWERED, 'the example to be answered')


def test_example(world):
    build(world)
    is_answered(world)

    def refused():
        done = world.run([PROGRAM, 'erp'], user='dave', check=False)
        assert done.returncode == 1 and done.stderr.startswith('example: ')
        return '(ask an administrator' in done.stderr
    wait_until(refused, 'the refusal to come in time')
    assert world.run([PROGRAM, 'nothing'], user='alice', check=False).returncode == 1


def test_both_doors(world):
    build(world)
    def doors():
        trace = world.run(f'strace -f -e trace=connect {PROGRAM} erp 2>&1', user='alice').stdout
        return [door for door in ('/run/mastersecret/direct', 'system_bus_socket') if door in trace]
    is_answered(world)
    wait_until(lambda: doors() == ['/run/mastersecret/direct'], 'the direct socket to do')
    world.run(['mv', '/run/mastersecret/direct', '/run/mastersecret/elsewhere'])
    is_answered(world)
    assert 'system_bus_socket' in doors()


def test_service_absent(world):
    build(world)
    world.run('chmod 0 /usr/libexec/mastersecretd')
    world.kill_service()
    status, _, text, seconds = in_time(world)
    assert status == 1 and seconds < LATE, text


def test_bus_gone(world):
    build(world)
    world.run('kill "$(cat /run/dbus/pid)"')
    is_answered(world)  # the direct socket goes on without the bus
    world.run('chmod 0 /usr/libexec/mastersecretd; pkill -KILL mastersecretd; while pgrep mastersecretd; do sleep 0.01; done')
    assert timed(world)[0] == 1
    wait_until(lambda: 'retry, or raise the time-out' not in timed(world)[2], 'another reason than the time')


@pytest.mark.parametrize('crowd', [0, 100])
@pytest.mark.parametrize('door', ['direct', 'bus'])
def test_service_stopped(world, door, crowd):
    build(world)
    world.run(['kill', '-STOP', str(world.service_pid())])
    world.run(f'for i in $(seq {crowd}); do timeout 60 {PROGRAM} erp >/dev/null 2>&1 & done; true')
    if door == 'bus':
        world.run(['mv', '/run/mastersecret/direct', '/run/mastersecret/elsewhere'])
    status, _, text, seconds = in_time(world)
    assert status == 1 and 'retry, or raise the time-out' in text
    assert 0.9 < seconds < LATE
    world.run(['kill', '-CONT', str(world.service_pid())])


def test_bus_stopped(world):
    build(world)
    world.run('kill -STOP "$(cat /run/dbus/pid)"; mv /run/mastersecret/direct /run/mastersecret/x')
    status, _, _, seconds = in_time(world)
    world.run('kill -CONT "$(cat /run/dbus/pid)"')
    assert status == 1 and 0.9 < seconds < LATE


def test_environment(world):
    """DBUS_SYSTEM_BUS_ADDRESS counts, as everywhere, but not in a set-uid program."""
    build(world)
    world.run(['mv', '/run/mastersecret/direct', '/run/mastersecret/elsewhere'])
    run = f'DBUS_SYSTEM_BUS_ADDRESS=unix:path=/nowhere {PROGRAM} erp'
    assert 'cannot reach the service at unix:path=/nowhere' in \
        world.run(run, user='alice', check=False).stderr
    world.run(f'chown alice {PROGRAM} && chmod 4755 {PROGRAM}')
    wait_until(lambda: world.run(run, user='bob', check=False).stdout == 'ALICE01, 6 bytes\n', 'alice to be answered')


def test_restarting(world):
    """Whoever asks while it starts is answered in time, or told so; whoever asks again, answered."""
    build(world)
    outcomes = []
    for _ in range(4):
        if world.service_pid():
            world.kill_service('KILL')
        outcomes.append(in_time(world))
    assert all(seconds < LATE for *_, seconds in outcomes), outcomes
    is_answered(world)


def test_pipes_without_room(world):
    """A user over its share of pipe pages gets pipes of a page or two: a value that fits goes through, a
    longer one is refused, not cut."""
    build(world, 60000)
    # The share is the machine's, by uid: one that no other world has, in whatever run of the tests.
    world.run(f'useradd --uid {30000 + os.getpid() % 20000} --groups clerks piper')
    script = """import os, resource, subprocess, sys
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
store = ['mastersecret', 'map', 'set', 'erp', '--external', 'PIPER01', '--stdin']
def full():
    pages = int(open('/proc/sys/fs/pipe-user-pages-soft').read())
    return [os.pipe() for _ in range(pages // 2 + 64)]
def run(arguments, size):
    # A file, since a pipe made here has no room either.
    with open('/tmp/piper', 'wb') as file:
        file.write(b'x' * size)
    with open('/tmp/piper', 'rb') as file:
        print(size, subprocess.call(arguments, stdin=file), flush=True)
"""
    short = script + f"kept = full(); run(store, 6); run(['{PROGRAM}', 'erp'], 6); run(store, 65536)"
    done = world.run(['python3', '-c', short], user='piper')
    assert done.stdout.splitlines() == ['6 0', 'PIPER01, 6 bytes', '6 0', '65536 9']
    assert 'no room in a pipe for a value of 65536 bytes' in done.stderr
    # What was stored while there was room.
    large = script + f"run(store, 65536); kept = full(); run(['{PROGRAM}', 'erp'], 65536)"
    done = world.run(['python3', '-c', large], user='piper')
    assert done.stdout.splitlines() == ['65536 0', '65536 1']
    assert 'is a pipe without room for the value' in done.stderr


def test_exports(shared_world):
    symbols = shared_world.run('nm -D --defined-only /usr/lib/*/libmastersecret.so.0').stdout
    names = [line.split()[-1] for line in symbols.splitlines()]
    assert len(names) > 10
    assert [name for name in names if not re.match(r'mastersecret_|MASTERSECRET_0', name)] == []


def test_header_stands_alone(shared_world):
    shared_world.run("echo '#include <mastersecret.h>' >/tmp/h.c && cp /tmp/h.c /tmp/h.cc && "
                     'cc -std=c99 -Wall -Wextra -Wpedantic -Werror -fsyntax-only /tmp/h.c')


def test_every_function_is_in_the_manual():
    with open(f'{SOURCE}/client/mastersecret.h', encoding='utf-8') as header, \
            open(f'{SOURCE}/doc/man/libmastersecret.3', encoding='utf-8') as page:
        declared, text = header.read(), page.read()
    for name in set(re.findall(r'\b(mastersecret_\w+)\(', declared)):
        assert f'{name}(' in text, f'{name} is not in the manual'
    for name in set(re.findall(r'^    (MASTERSECRET_\w+) = [1-9]', declared, re.M)):
        assert f'.B {name}\n' in text, f'{name} is not in the manual'
    assert os.path.getsize(f'{SOURCE}/doc/man/libmastersecret.3') > 0

#!/usr/bin/python3
# SPDX-FileCopyrightText: 2026 The mastersecret authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs as root in a world: state folder and anchor on a file system in an image, which is copied while it
is mounted and written to. What the file system had not yet written is missing in a copy, as after a
power cut. Then the service is started on each of the copies.

  power_run.py CUTS SEED     prints one JSON object"""
import filecmp
import json
import mmap
import os
import random
import signal
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bus_client  # noqa: E402
import kill_run  # noqa: E402

exec(bus_client.PRELUDE)  # pylint: disable=exec-used

FOLDERS = ('mastersecret', 'mastersecret-anchor')
IMAGE, MOUNT, WRITERS = '/var/power.image', '/var/power', 4
ACKNOWLEDGED, ASKED = range(2)


def command(*arguments):
    subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)


def make_loops():
    """The world's /dev has none of its own."""
    if not os.path.exists('/dev/loop-control'):
        os.mknod('/dev/loop-control', 0o20600, os.makedev(10, 237))
    for number in range(64):
        if not os.path.exists(f'/dev/loop{number}'):
            os.mknod(f'/dev/loop{number}', 0o60600, os.makedev(7, number))


def mount(image):
    os.makedirs(MOUNT, exist_ok=True)
    command('mount', '-o', 'loop', image, MOUNT)
    for name in FOLDERS:
        if os.path.isdir(f'{MOUNT}/{name}'):
            command('mount', '--bind', f'{MOUNT}/{name}', f'/var/lib/{name}')


def unmount():
    for name in FOLDERS:
        command('umount', f'/var/lib/{name}')
    command('umount', MOUNT)


def move_in():
    """What is there so far goes onto a file system of its own."""
    kill_run.end_service(signal.SIGTERM)
    with open(IMAGE, 'wb') as file:
        file.truncate(64 << 20)
    command('mkfs.ext4', '-q', '-F', '-J', 'size=4', IMAGE)
    os.makedirs(MOUNT)
    command('mount', '-o', 'loop', IMAGE, MOUNT)
    for name in FOLDERS:
        command('cp', '-a', f'/var/lib/{name}', MOUNT)
    command('umount', MOUNT)
    mount(IMAGE)


def write(number, counters):
    """Sets its own mapping again and again, and counts what is asked for and what is acknowledged."""
    caller = kill_run.Caller('root', ('bus', 'direct')[number % 2])
    chance = random.Random(number)
    serial = 0
    while True:
        serial += 1
        counters[number][ASKED] = serial
        pipe = given(b'%d' % serial * chance.choice((1, 300, 3000)))
        caller.call(ERP, 'Application', 'SetMapping', 'ssa{ss}a{sh}', f'user:w{number:02}',
                    f'{number}-{serial}', texts(), fds(password=pipe))
        os.close(pipe)
        counters[number][ACKNOWLEDGED] = serial


def cut(number, counters):
    """A copy that is what stood in the image at one moment: while nothing wrote to it."""
    pids = kill_run.service_pids()
    copy = f'{IMAGE}.{number}'
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    acknowledged = [counter[ACKNOWLEDGED] for counter in counters]
    for _ in range(50):
        shutil.copyfile(IMAGE, copy)
        if filecmp.cmp(IMAGE, copy, shallow=False):
            break
    else:
        raise AssertionError('the image never stands still')
    asked = [counter[ASKED] for counter in counters]
    for pid in pids:
        os.kill(pid, signal.SIGCONT)
    return copy, acknowledged, asked


def check(copy, acknowledged, asked):
    """What is wrong after a start on the copy."""
    mount(copy)
    reader, wrong = kill_run.Reader('root', 'bus'), []
    for number in range(WRITERS):
        shown = reader.mapping('erp', f'user:w{number:02}')
        serial = int(shown[0].split('-')[1]) if shown else 0
        if not acknowledged[number] <= serial <= asked[number]:
            wrong.append(f'{copy}: {serial}, acknowledged {acknowledged[number]}, '
                         f'asked for {asked[number]}')
        if shown:
            data = reader.secret('erp', f'w{number:02}')[2]
            if set(data.split(str(serial).encode())) != {b''}:
                wrong.append(f'{copy}: another secret than the one of {serial}')
    kill_run.end_service(signal.SIGKILL)
    unmount()
    os.unlink(copy)
    return wrong


def main():
    times, chance = int(sys.argv[1]), random.Random(sys.argv[2])
    with open('/etc/passwd', 'a', encoding='utf-8') as file:
        for number in range(WRITERS):
            file.write(f'w{number:02}:x:{21000 + number}:20011::/nonexistent:/bin/false\n')
    make_loops()
    move_in()
    assert create(Door()) == 'ok'
    counters = [memoryview(mmap.mmap(-1, 16)).cast('q') for _ in range(WRITERS)]
    writers = []
    for number in range(WRITERS):
        writers.append(os.fork())
        if writers[-1] == 0:
            write(number, counters)
    deadline, cuts = time.monotonic() + kill_run.PATIENCE, []
    while not all(counter[ACKNOWLEDGED] for counter in counters) and time.monotonic() < deadline:
        time.sleep(0.01)
    for number in range(times):
        time.sleep(chance.uniform(0.05, 0.6))
        cuts.append(cut(number, counters))
    for pid in writers:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    kill_run.end_service(signal.SIGKILL)
    unmount()
    wrong = [text for one in cuts for text in check(*one)]
    print(json.dumps({'wrong': wrong, 'acknowledged': [one[1] for one in cuts]}))


if __name__ == '__main__':
    main()

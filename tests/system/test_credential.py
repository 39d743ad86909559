# SPDX-FileCopyrightText: 2026 The mastersecret authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The credential slot by the commands of mastersecretd(8), under a real systemd: with the key of the
host, and with a TPM in software."""
import os
import shutil

import pytest

from conftest import wait_until
from test_documents import commands, roff_blocks

CREDENTIAL = '/etc/mastersecret/slot.cred'
HOST_KEY = '/var/lib/systemd/credential.secret'
DROP_INS = '/etc/systemd/system/mastersecretd.service.d'
# Where PID 1 of a booted world looks (tests/world/sandbox.py); systemd-creds has to be told.
TPM = 'export SYSTEMD_TPM2_DEVICE=swtpm:host=127.0.0.1,port=2321; '
SWTPM = ('mkdir -p /var/lib/{0} && swtpm socket --tpm2 --daemon --pid file=/run/swtpm.pid '
         '--tpmstate dir=/var/lib/{0} --server type=tcp,port=2321,bindaddr=127.0.0.1 '
         '--ctrl type=tcp,port=2322,bindaddr=127.0.0.1 --flags not-need-init,startup-clear')
# A TPM is a device; the one in software is a port, which the unit's sandbox refuses.
REACH_SWTPM = '[Service]\nIPAddressAllow=localhost\n'
# TPM2_Shutdown(CLEAR): one that ends without it counts as attacked. TPM2_FlushContext of each session.
SHUTDOWN = ('80010000000c000001450000',)
FLUSH = tuple(f'80010000000e000001650{kind}00000{number}' for kind in (2, 3) for number in range(3))
TELL_TPM = '''
import socket, sys
for command in sys.argv[1:]:
    with socket.create_connection(('127.0.0.1', 2321)) as tpm:
        tpm.sendall(bytes.fromhex(command))
        assert len(tpm.recv(4096)) >= 10
'''


class HostKey:
    """What opens a credential is a file of the host."""
    word = 'host'

    def __init__(self, world):
        self.world = world

    def exchange(self):
        """Another host's."""
        self.world.run(f'mv {HOST_KEY} /root/key && systemd-creds setup')

    def give_back(self):
        self.world.run(f'mv -f /root/key {HOST_KEY}')

    def clear(self):
        pass


class Tpm:
    """What opens a credential is in a TPM, here a program with a folder for its state."""
    word = 'tpm2'

    def __init__(self, world):
        if not shutil.which('swtpm'):
            pytest.skip('swtpm is not installed')
        self.world, self.folder = world, 'tpm'
        world.run(f'mkdir -p {DROP_INS}')
        world.write(f'{DROP_INS}/swtpm.conf', REACH_SWTPM)
        self.start()

    def start(self):
        self.world.run(SWTPM.format(self.folder))

    def tell(self, messages):
        self.world.run(['/usr/bin/python3', '-c', TELL_TPM, *messages])

    def stop(self):
        self.tell(SHUTDOWN)
        pid = int(self.world.read('/run/swtpm.pid'))
        self.world.run(['kill', str(pid)])
        wait_until(lambda: not os.path.exists(self.world.path(f'/proc/{pid}')), 'the TPM to end')

    def exchange(self):
        """Another machine's."""
        self.stop()
        self.folder = 'tpm-of-another-machine'
        self.start()

    def give_back(self):
        self.stop()
        self.folder = 'tpm'
        self.start()

    def clear(self):
        """What systemd leaves in a TPM the kernel would clear away for it."""
        self.tell(FLUSH)


def shown(word):
    """What the manual shows for this kind of key, command by command."""
    _, host, tpm = roff_blocks('mastersecretd.8')
    return commands(host) if word == 'host' else commands(tpm) + commands(host)[1:]


def follow(world, word):
    for command, _ in shown(word):
        if 'secret generate' in command:
            command += ' --passphrase-file /root/passphrase'
        world.run(TPM + command)


def status(world):
    return world.run('mastersecret status', check=False).stdout


def show(world, name):
    return world.run(['systemctl', 'show', '-P', name, 'mastersecretd']).stdout.strip()


def value(world):
    return world.run(['mastersecret', 'get', 'erp'], user='alice', check=False).stdout


def restart(holder, check=True):
    world = holder.world
    holder.clear()
    done = world.run('systemctl reset-failed mastersecretd; systemctl restart mastersecretd', check=False)
    assert not check or done.returncode == 0, \
        world.run('journalctl -u mastersecretd -o cat --no-pager -n 20').stdout
    return done.returncode


@pytest.fixture(params=(HostKey, Tpm), ids=('host', 'tpm'))
def holder(request, make_world):
    """Who holds the key to the credential that the world's service was set up with."""
    made = make_world(boot=True)
    made.write('/root/passphrase', made.passphrase, 0o600)
    key = request.param(made)
    follow(made, key.word)
    made.run('mastersecret app create erp --users clerks --enable')
    made.run(['mastersecret', 'map', 'set', 'erp', '--external', 'ALICE01', '--stdin'], user='alice',
             input='a password')
    return key


def refused_by_systemd(holder):
    """As the manual says; callers are not asked here, since they would wait for the bus."""
    world = holder.world
    assert restart(holder, check=False)
    assert show(world, 'ExecMainStatus') == '243'
    assert '243/CREDENTIALS' in world.run('systemctl status mastersecretd --no-pager', check=False).stdout
    world.run('systemctl stop mastersecretd')


def test_credential_bound_to_host_or_tpm(holder):
    world = holder.world
    assert 'credential (opened by credential)' in status(world)
    assert not os.path.exists(world.path(f'{world.state}/keyfile'))
    world.run('systemctl stop mastersecretd && systemctl start mastersecretd')
    assert value(world) == 'a password', 'it opens by itself'

    holder.exchange()  # another host's or TPM's
    refused_by_systemd(holder)
    holder.give_back()
    restart(holder)
    assert value(world) == 'a password'

    world.run(f'cp {CREDENTIAL} /root/slot.cred')
    with open(world.path(CREDENTIAL), 'r+b') as file:
        text = file.read()
        file.seek(len(text) // 2)
        file.write(b'A' if text[len(text) // 2] != ord('A') else b'B')
    refused_by_systemd(holder)
    # One that opens here, but is not the keyring's.
    world.run(f'rm {CREDENTIAL}; {TPM}{shown(holder.word)[0][0]}')
    sealed(holder, "is not this keyring's; slot credential needs the credential /run/credentials/")
    world.run(f'mv {DROP_INS}/slot.conf /root && systemctl daemon-reload')
    sealed(holder, 'slot credential needs the credential (none was passed to the service)')

    world.run(f'mv /root/slot.conf {DROP_INS} && mv /root/slot.cred {CREDENTIAL} && systemctl daemon-reload')
    restart(holder)
    assert value(world) == 'a password'


def sealed(holder, reason):
    """It runs, gives nothing out, and says what is missing."""
    world = holder.world
    restart(holder)
    assert show(world, 'StatusText').startswith('sealed: ') and 'mastersecret secret unseal' in status(world)
    said = world.run('mastersecret secret unseal', check=False)
    assert said.returncode == 6 and reason in said.stderr
    assert value(world) == ''

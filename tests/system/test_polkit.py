# SPDX-FileCopyrightText: 2026 The mastersecret authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real polkit: it stands in for a role where somebody proves to be an administrator, and never
otherwise. test_access.py asks a stand-in about every method."""
import os
import pty
import re
import select
import subprocess
import termios
import time

import pytest

from conftest import wait_until

ACTIONS = '/usr/share/polkit-1/actions/org.mastersecret1.policy'
ACTIVATION = '/usr/share/dbus-1/system-services/org.freedesktop.PolicyKit1.service'
RULES = '/etc/polkit-1/rules.d'
DENIED = 'needs the role of administrator or affiliate administrator'
# polkit knows an agent by the very process it is for, so that process becomes the command. The agent and
# the terminal outlive it.
WITH_AGENT = '''
bash -c 'mkfifo /tmp/agent.$$
pkttyagent --process $$ --notify-fd 7 7>/tmp/agent.$$ &
read -r _ </tmp/agent.$$
rm /tmp/agent.$$
exec mastersecret app create "$0"' "$1"
echo "ended with $?"
sleep 300
'''

pytestmark = pytest.mark.skipif(not os.path.exists('/usr/bin/pkttyagent'), reason='polkitd is not installed')


@pytest.fixture(scope='module')
def asking(shared_world):
    """carol is an administrator of the machine; dave has no role anywhere."""
    shared_world.write(f'{RULES}/10-administrators.rules',
                       'polkit.addAdminRule(function(action, subject) { return ["unix-user:carol"]; });\n')
    return shared_world


def pid_of_polkit(world):
    done = world.run(['busctl', 'call', '--auto-start=no', 'org.freedesktop.DBus', '/org/freedesktop/DBus',
                      'org.freedesktop.DBus', 'GetConnectionUnixProcessID', 's',
                      'org.freedesktop.PolicyKit1'], check=False)
    return int(done.stdout.split()[1]) if done.returncode == 0 else None


def end_polkit(world):
    pid = pid_of_polkit(world)
    if pid:
        world.run(['kill', str(pid)])
        wait_until(lambda: not os.path.exists(world.path(f'/proc/{pid}')), 'polkit to end')


def create(world, name, user='dave'):
    """Creates an application without an agent; what was said, or '' for success, in bounded time."""
    begin = time.monotonic()
    done = world.run(['mastersecret', 'app', 'create', name], user, check=False)
    assert time.monotonic() - begin < 28  # who waits for an agent waits 30 s
    return done.stderr if done.returncode else ''


class Terminal:
    """dave at a terminal, where pkttyagent asks for carol's password."""

    def __init__(self, world, name):
        self.world, self.text = world, ''
        self.terminal, inner = pty.openpty()
        self.process = subprocess.Popen(
            ['setsid', '-c', *world.command(['bash', '-c', WITH_AGENT, 'bash', name], 'dave')],
            stdin=inner, stdout=inner, stderr=inner)
        os.close(inner)

    def until(self, word, seconds=120):
        deadline = time.monotonic() + seconds
        while word not in self.text:
            assert time.monotonic() < deadline, f'no {word!r} in {self.text!r}'
            if select.select([self.terminal], [], [], 0.1)[0]:
                try:
                    self.text += os.read(self.terminal, 4096).decode(errors='replace')
                except OSError:  # nobody holds the other end any more
                    assert word in self.text, f'no {word!r} in {self.text!r}'

    def type(self, text):
        self.until('Password: ')
        # The prompt comes before the terminal stops echoing, which throws input away.
        wait_until(lambda: not termios.tcgetattr(self.terminal)[3] & termios.ECHO, 'the terminal to stop echoing')
        os.write(self.terminal, text.encode() + b'\n')

    def status(self):
        """How the command ended."""
        self.until('ended with ')
        return int(re.search(r'ended with (\d+)', self.text)[1])

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.terminal)


@pytest.fixture
def terminal(asking, request):
    def make(name):
        made = Terminal(asking, name)
        request.addfinalizer(made.close)
        return made
    return make


@pytest.fixture
def withdrawn(asking):
    """Tells whether polkit has told an agent to stop asking. pkttyagent itself hears it late: it waits for
    a line and for nothing else meanwhile."""
    match = "type='method_call',member='CancelAuthentication'"
    with open(asking.path('/tmp/withdrawn'), 'wb') as log:
        monitor = subprocess.Popen(asking.command(['busctl', 'monitor', '--match', match]), stdout=log,
                                   stderr=log)
    wait_until(lambda: 'Monitoring' in asking.read('/tmp/withdrawn'), 'busctl to watch the bus')
    yield lambda: 'Member=CancelAuthentication' in asking.read('/tmp/withdrawn')
    monitor.terminate()
    monitor.wait()


def test_without_an_agent_it_is_a_no(asking):
    assert DENIED in create(asking, 'unasked')
    assert pid_of_polkit(asking), 'polkit was asked'
    assert create(asking, 'by-root', 'root') == ''


def test_right_password(asking, terminal):
    desk = terminal('right')
    desk.until('org.mastersecret1.manage-applications')
    desk.until('Authentication is required to manage affiliate applications')
    desk.type('carol-login')
    assert desk.status() == 0
    assert 'right' in asking.run(['mastersecret', 'app', 'list']).stdout
    asking.audited('application-create ok', 'uid=20004', 'authorised by polkit')
    assert DENIED in create(asking, 'again'), 'a yes is for one call'


def test_wrong_password(asking, terminal):
    desk = terminal('wrong')
    desk.type('dave-login')
    desk.until('AUTHENTICATION FAILED')
    assert desk.status() == 3
    assert 'wrong' not in asking.run(['mastersecret', 'app', 'list']).stdout


def test_the_agent_goes_away_while_it_asks(asking, terminal):
    desk = terminal('cancelled')
    desk.until('Password: ')
    asking.run('kill -KILL $(pgrep pkttyagent)')
    assert desk.status() == 3
    assert 'cancelled' not in asking.run(['mastersecret', 'app', 'list']).stdout


def test_the_caller_goes_away_while_it_is_asked(asking, terminal, withdrawn):
    """The question is withdrawn, and a late answer makes nothing."""
    desk = terminal('gone')
    desk.until('Password: ')
    asking.run('kill -KILL $(pgrep -x -u dave mastersecret)')
    wait_until(withdrawn, 'the question to be withdrawn')
    desk.type('carol-login')
    assert create(asking, 'after-the-caller-went', 'root') == ''
    assert 'gone' not in asking.run(['mastersecret', 'app', 'list']).stdout


def test_the_service_stops_while_it_asks(asking, terminal, withdrawn):
    desk = terminal('stopped')
    desk.until('Password: ')
    asking.kill_service('TERM')
    assert desk.status() != 0
    wait_until(withdrawn, 'the question to be withdrawn')
    assert 'stopped' not in asking.run(['mastersecret', 'app', 'list']).stdout


def test_the_service_may_ask_about_others(asking):
    """That is what the owner in the actions is for: without it even a rule that says yes does not help."""
    asking.write(f'{RULES}/20-dave.rules', '''polkit.addRule(function(action, subject) {
    if (action.id == "org.mastersecret1.manage-applications" && subject.user == "dave")
        return polkit.Result.YES;
});''')
    actions = asking.read(ACTIONS)
    asking.run(f"sed -i /policykit.owner/d {ACTIONS}")
    end_polkit(asking)
    assert DENIED in create(asking, 'unowned')
    asking.write(ACTIONS, actions)
    end_polkit(asking)
    assert create(asking, 'owned') == ''
    asking.run(['rm', f'{RULES}/20-dave.rules'])


def test_without_polkit_it_is_a_no(asking):
    asking.run(f'mv {ACTIVATION} /root && busctl call org.freedesktop.DBus /org/freedesktop/DBus '
               'org.freedesktop.DBus ReloadConfig')
    end_polkit(asking)
    assert DENIED in create(asking, 'nobody-to-ask')
    assert create(asking, 'by-root-alone', 'root') == ''

# SPDX-FileCopyrightText: 2026 The mastersecret authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line for the master secret: slots, recipients, backups, rotation, restore, export, doctor."""
import json
import os
import re
import stat

import pytest

from conftest import wait_until
from test_cli import LATE, Terminal, cli, read_json
from test_export import slowed

pytestmark = pytest.mark.service

NOWHERE = ('--address', 'unix:path=/nowhere')  # what needs no service does not look for it
PASSPHRASE = '/root/mastersecret.passphrase'   # of the backup that a world begins with


def fail(world, *arguments, status, text, **options):
    done = cli(world, *arguments, status=status, **options)
    assert text in done.stderr, done.stderr
    assert done.stdout == ''
    return done


# ---- Without the service ----

def test_recipient_new(shared_world):
    made = json.loads(cli(shared_world, *NOWHERE, 'secret', 'recipient', 'new', '--private-file',
                          '/root/new.key', '--json').stdout)
    assert list(made) == ['public'] and re.fullmatch('ms1-public-[a-z2-7]{60}', made['public'])
    file = shared_world.path('/root/new.key')
    assert stat.S_IMODE(os.stat(file).st_mode) == 0o600
    private = shared_world.read('/root/new.key')
    assert re.fullmatch('ms1-recipient-[a-z2-7]{60}\n', private)
    fail(shared_world, 'secret', 'recipient', 'new', '--private-file', '/root/new.key', status=1,
         text='File exists')
    assert shared_world.read('/root/new.key') == private
    fail(shared_world, 'secret', 'recipient', 'new', status=2, text='--private-file FILE, or --print')
    fail(shared_world, 'secret', 'recipient', 'new', '--print', '--json', status=2, text='--print')


def test_private_key_on_paper(shared_world):
    printed = cli(shared_world, *NOWHERE, 'secret', 'recipient', 'new', '--print')
    assert printed.stderr == '' and '\033' not in printed.stdout
    assert re.search('^private  ms1-recipient-[a-z2-7]{60}$', printed.stdout, re.M)
    assert re.search('^public   ms1-public-[a-z2-7]{60}$', printed.stdout, re.M)
    code = [line for line in printed.stdout.splitlines() if set(line) <= set(' █▀▄') and line]
    assert len(code) == 23 and {len(line) for line in code} == {45}  # 37 modules and the quiet zone
    terminal = Terminal(shared_world, ['secret', 'recipient', 'new', '--print'], 'alice')
    terminal.expect('Whoever sees what follows')
    terminal.expect('\033[30;107m')
    assert terminal.finish() == 0


def test_keys_that_are_none(shared_world):
    cli(shared_world, 'secret', 'recipient', 'new', '--private-file', '/root/other.key')
    private = shared_world.read('/root/other.key').strip()
    public = json.loads(cli(shared_world, 'secret', 'recipient', 'new', '--private-file',
                            '/root/third.key', '--json').stdout)['public']
    wrong = public[:-1] + ('a' if public[-1] != 'a' else 'b')
    for key, text in ((private, 'private key'), (wrong, 'mistyped'), (public[:-1], 'mistyped'),
                      ('hello', 'ms1-public-')):
        fail(shared_world, 'secret', 'recipient', 'add', 'safe', key, status=2, text=text)
    fail(shared_world, 'secret', 'recipient', 'add', 'a\nb', public, status=2, text='name')


def test_inspect(shared_world):
    path = shared_world.backup
    facts = json.loads(cli(shared_world, *NOWHERE, 'secret', 'backup', 'inspect', path, '--json').stdout)
    status = read_json(shared_world, 'status')
    assert facts['realm'] == status['realm'] and facts['passphrase'] is True
    assert [row['fingerprint'] for row in facts['generations']] == [status['fingerprint']]
    assert re.fullmatch('[0-9a-f]{64}', facts['signer'])
    assert facts['recipients'] == [] and facts['host'] == 'world'
    assert status['realm'] in cli(shared_world, 'secret', 'backup', 'inspect', path).stdout
    with open(shared_world.path(path), 'rb') as file:
        whole = file.read()
    for content, expected, text in (
            (whole[:-1], 8, 'damaged'), (whole[:100], 8, 'damaged'), (whole + b'\0', 8, 'damaged'),
            (b'', 2, 'not a backup'), (b'\x7fELF' + whole, 2, 'not a backup'),
            (whole[:-1] + bytes([whole[-1] ^ 1]), 8, 'altered'),
            (whole[:28] + bytes([whole[28] ^ 1]) + whole[29:], 8, 'altered'),  # when it was made
            (whole[:8] + b'\x63' + whole[9:], 8, 'newer')):
        with open(shared_world.path('/root/cut.backup'), 'wb') as file:
            file.write(content)
        fail(shared_world, 'secret', 'backup', 'inspect', '/root/cut.backup', status=expected, text=text)
    fail(shared_world, 'secret', 'backup', 'inspect', '/root/none', status=1, text='No such file')
    fail(shared_world, 'secret', 'backup', 'inspect', '/dev/zero', status=1, text='regular file')
    shared_world.run(f'install -m 644 {path} /tmp/open.backup')  # whoever may read it needs no role
    cli(shared_world, 'secret', 'backup', 'inspect', '/tmp/open.backup', user='dave')


def test_lines_that_are_refused(shared_world):
    for line, text in (
            ('slot add paper', 'keyfile, credential, passphrase or shares'),
            ('slot add shares', '--threshold'),
            ('slot add shares --threshold 2 --count 3', '--share-file'),
            ('slot add shares --threshold 4 --count 3 --share-file /root/s', 'more than'),
            ('slot add shares --threshold 1 --count 3 --share-file /root/s', 'from 2 to 16'),
            ('slot add shares --threshold 2 --count 17 --share-file /root/s', 'from 2 to 16'),
            ('slot add keyfile --threshold 2', 'for shares only'),
            ('slot remove one', 'number'), ('slot remove -- -1', 'number'),
            ('backup create', 'FILE or --to-directory'),
            ('backup create /root/x --to-directory', 'FILE or --to-directory'),
            ('rotate --pause --resume', 'exclude'), ('rotate --pause --wait', 'exclude'),
            ('rotate --resume --backup /root/x', 'exclude'), ('rotate --dry-run --wait', 'exclude'),
            ('rotate --to-recipients', '--backup FILE'), ('unseal --share --cancel', 'exclude'), ('', 'secret --help'),
            ('slot', "after 'secret slot'; see mastersecret secret slot --help"), ('slot add', 'secret slot add --help'),
            ('rotate --wiat', 'secret rotate --help'), ('rotate --backup /root/x --throttle fast', '--throttle'),
            (f'restore {shared_world.backup} --slot paper', 'keyfile, credential or passphrase'), ('rotate --resume --throttle fast', '--throttle'),
            (f'restore {shared_world.backup} --accept-loss many', '--accept-loss'),
            ('backup create /root/x', '--passphrase-file')):
        fail(shared_world, 'secret', *line.split(), status=2, text=text)
    assert not os.path.exists(shared_world.path('/root/x'))
    listed = cli(shared_world, 'secret', 'slot', '--help').stdout
    assert 'secret slot replace' in listed and 'app create' not in listed


# ---- Slots ----

def slots(world, status=0):
    return {row['kind']: row['id'] for row in read_json(world, 'secret', 'slot', 'list', status=status)}


def test_slots(world):
    world.write('/root/first', 'the first passphrase\n', 0o600)
    world.write('/root/second', 'the second passphrase', 0o600)
    keyfile = str(slots(world)['keyfile'])
    refused = fail(world, 'secret', 'slot', 'remove', keyfile, status=5, text=f"remove slot '{keyfile}'")
    assert 'mastersecret secret slot add KIND' in refused.stderr
    made = read_json(world, 'secret', 'slot', 'add', 'passphrase', '--passphrase-file', '/root/first')
    listed = cli(world, 'secret', 'slot', 'list').stdout
    assert re.search(fr'^{keyfile} +keyfile *$', listed, re.M)
    assert re.search(fr'^{made["id"]} +passphrase *$', listed, re.M)
    number = str(made['id'])
    cli(world, 'secret', 'slot', 'test', number, '--passphrase-file', '/root/first')
    assert read_json(world, 'secret', 'slot', 'test', keyfile) == {'id': int(keyfile), 'opens': True}
    fail(world, 'secret', 'slot', 'test', number, '--passphrase-file', '/root/second', status=10, text='open slot')
    fail(world, 'secret', 'slot', 'test', '77', status=4, text='slot list')
    number = str(read_json(world, 'secret', 'slot', 'replace', number, '--passphrase-file', '/root/second')['id'])
    cli(world, 'secret', 'slot', 'remove', keyfile)
    cli(world, 'secret', 'seal')
    assert slots(world) == {'passphrase': int(number)}, 'readable while sealed'
    cli(world, 'secret', 'unseal', '--passphrase-file', '/root/first', status=10)
    assert read_json(world, 'secret', 'unseal', '--passphrase-file', '/root/second') == {'unsealed': True}


def test_shares(world):
    """Into files, and one by one onto the terminal; any two of three open."""
    number = str(read_json(world, 'secret', 'slot', 'add', 'shares', '--threshold', '2', '--count', '3',
                           '--share-file', '/root/share')['id'])
    assert re.search(fr'^{number} +shares +2 +3$', cli(world, 'secret', 'slot', 'list').stdout, re.M)
    texts = [world.read(f'/root/share-{i}') for i in (1, 2, 3)]
    assert len(set(texts)) == 3 and all(re.fullmatch(r'ms1-[a-z2-7-]+\n', text) for text in texts)
    assert stat.S_IMODE(os.stat(world.path('/root/share-1')).st_mode) == 0o600
    world.run(f'mastersecret secret slot test {number} --fd share-1=3 --fd share-2=4 3</root/share-3 4</root/share-1')
    cli(world, 'secret', 'seal')
    world.run(f'mv {world.state}/keyfile /root/keyfile')
    refused = fail(world, 'secret', 'unseal', status=6, text='key file').stderr.splitlines()
    assert len(refused) == 1 and refused[0].endswith('slot shares needs: mastersecret secret unseal --share')
    world.run(f'mv /root/keyfile {world.state}/keyfile')
    said = cli(world, 'secret', 'unseal', '--share', '--stdin', input=texts[2]).stdout
    assert said.startswith('share 1 of the 2 needed')
    cli(world, 'secret', 'unseal', '--cancel')
    assert read_json(world, 'secret', 'unseal', '--share', '--stdin', input=texts[2]) == \
        {'unsealed': False, 'entered': 1, 'needed': 2}
    status = read_json(world, 'status', status=6)
    assert (status['shares-entered'], status['shares-needed']) == (1, 2)
    assert re.search('^shares +1 of the 2 needed are entered$', cli(world, 'status', status=6).stdout, re.M)
    fail(world, 'secret', 'recipient', 'list', status=6, text='run: mastersecret secret unseal')  # none are known now
    mistyped = texts[0].replace(texts[0][8], 'a' if texts[0][8] != 'a' else 'b', 1)
    fail(world, 'secret', 'unseal', '--share', '--stdin', input=mistyped, status=10, text='unseal')
    terminal = Terminal(world, ['secret', 'unseal', '--share'], 'root')
    terminal.expect('Share: ')
    terminal.type(texts[0])
    assert terminal.finish() == 0 and texts[0].strip().encode() not in terminal.output
    assert b'unsealed' in terminal.output
    terminal = Terminal(world, ['secret', 'slot', 'replace', number, '--threshold', '2', '--count', '2'], 'root')
    for i in (1, 2):
        terminal.expect(f'Share {i} of 2')
        terminal.expect('ms1-')
        terminal.expect('press Enter: ')
        terminal.type('\n')
        terminal.expect('\033[3J')
    assert terminal.finish() == 0
    # A slot whose shares nobody has would let the last one that opens be removed.
    before = cli(world, 'secret', 'slot', 'list').stdout
    os.unlink(world.path('/root/share-1'))
    refused = fail(world, 'secret', 'slot', 'add', 'shares', '--threshold', '2', '--count', '2', '--share-file',
                   '/root/share', status=1, text="'/root/share-2': File exists; choose another name")
    assert 'removed again' in refused.stderr and cli(world, 'secret', 'slot', 'list').stdout == before
    terminal = Terminal(world, ['secret', 'slot', 'add', 'shares', '--threshold', '2', '--count', '2'], 'root', LATE)
    for i, key in ((1, '\n'), (2, '\x03')):
        terminal.expect(f'Share {i} of 2')
        terminal.expect('press Enter: ')
        terminal.type(key)
    assert terminal.finish() != 0
    wait_until(lambda: cli(world, 'secret', 'slot', 'list').stdout == before, 'the slot to be removed again')


@pytest.mark.parametrize('user, member, arguments, advice', [
    ('root', 'Rotate', ('a{sv}a{sh}', '0', '0'), 'run: mastersecret secret recipient add NAME PUBLIC-KEY; or name a file'),
    ('root', 'BackupToDirectory', ('s', ''), 'set backup-directory in mastersecretd.conf(5)'),
    ('root', 'RemoveSlot', ('u', '1'), 'add another first: mastersecret secret slot add KIND'),
    ('root', 'TestSlot', ('ua{sh}', '9', '0'), 'see: mastersecret secret slot list'),
    ('root', 'AddSlot', ('sua{sh}', 'credential', '0', '0'), 'give the unit LoadCredential= '),
    ('root', 'Unseal', ('a{sh}', '0'), 'see: mastersecret status'),
    ('root', 'VerifyBackup', ('a{sh}', '0'), 'busctl can pass none, mastersecret(1) does'),
    ('root', 'RemoveRecipient', ('s', 'nobody'), 'see: mastersecret secret recipient list'),
    ('alice', 'Seal', (), 'ask an administrator for the role that the message names')])
def test_errors_say_what_to_do_over_the_bus(shared_world, user, member, arguments, advice):
    """In the one line that busctl shows: a cause, a semicolon, and what to do."""
    said = shared_world.run(['busctl', 'call', 'org.mastersecret1', '/org/mastersecret1', 'org.mastersecret1.Secret',
                             member, *arguments], user, check=False).stderr
    assert re.fullmatch(f'Call failed: [^;]+; {re.escape(advice)}.*\n', said), said


def test_errors_say_what_to_do_once(shared_world):
    """The command line puts the table's advice on a line of its own, and none behind better advice."""
    shared_world.run('touch /root/nothing')
    for line, count in (('secret slot remove 1', 2), ('secret slot add credential', 1), ('secret recipient remove x', 2),
                        ('secret backup inspect /root/nothing', 1),
                        (f'secret backup verify /root/nothing --passphrase-file {PASSPHRASE}', 1)):
        said = cli(shared_world, *line.split(), status=None).stderr.splitlines()
        assert len(said) == count and ('; ' in said[0]) == (count == 1), said


def test_a_closed_output_is_noticed(shared_world):
    for line in ('--help', 'secret slot list', 'secret census --json', 'status'):
        for where in ('>&-', '>/dev/full'):
            assert 'cannot write to standard output' in shared_world.run(f'mastersecret {line} {where}', check=False).stderr


# ---- Backups ----

def test_recipients_and_backups(world):
    public = read_json(world, 'secret', 'recipient', 'new', '--private-file', '/root/safe.key')['public']
    fail(world, 'secret', 'backup', 'create', '/root/none.backup', '--to-recipients', status=6, text='recipient add')
    assert not os.path.exists(world.path('/root/none.backup')), 'a failed call leaves its file'
    cli(world, 'secret', 'recipient', 'add', 'safe', public)
    fail(world, 'secret', 'recipient', 'add', 'safe', public, status=5, text='recipient list')
    assert [(row['name'], row['public']) for row in read_json(world, 'secret', 'recipient', 'list')] == \
        [('safe', public)]
    assert read_json(world, 'status')['recipients'] == ['safe']
    made = read_json(world, 'secret', 'backup', 'create', '/root/sealed.backup', '--to-recipients', '--hint', 'safe')
    assert made['backup'] == '/root/sealed.backup'
    facts = read_json(world, 'secret', 'backup', 'inspect', '/root/sealed.backup')
    assert (facts['recipients'], facts['passphrase'], facts['hint']) == (['safe'], False, 'safe')
    status = cli(world, 'status').stdout
    assert re.search(r'^backup +proven .*ago\), generation 1, in /root/sealed.backup$', status, re.M)
    fail(world, 'secret', 'backup', 'create', '/root/sealed.backup', '--to-recipients', status=1, text='File exists')
    cli(world, 'secret', 'recipient', 'remove', 'safe')
    fail(world, 'secret', 'recipient', 'remove', 'safe', status=4, text='recipient list')
    fail(world, 'secret', 'backup', 'create', '--to-directory', status=6, text='')
    for line in ('slot add keyfile', f'recipient add safe {public}', 'backup create --to-directory', 'rotate',
                 'unseal --cancel'):
        cli(world, 'secret', *line.split(), status=3, user='alice')


def test_verify_and_restore(world):
    """Each way in which a file or a passphrase is wrong has an error of its own; nothing is changed by it."""
    world.write('/root/wrong', 'a wrong passphrase', 0o600)
    world.run(f'cp {world.backup} /root/altered; printf x | dd of=/root/altered bs=1 seek=300 conv=notrunc; '
              f'head -c 200 {world.backup} >/root/cut; echo text >/root/text')
    for verb in ('backup verify', 'restore'):
        for name, passphrase, status in ((world.backup, '/root/wrong', 10), ('/root/altered', PASSPHRASE, 8),
                                         ('/root/cut', PASSPHRASE, 8), ('/root/text', PASSPHRASE, 2),
                                         ('/root/none', PASSPHRASE, 1)):
            fail(world, 'secret', *verb.split(), name, '--passphrase-file', passphrase, status=status, text=name)
    report = read_json(world, 'secret', 'backup', 'verify', world.backup, '--passphrase-file', PASSPHRASE)
    (row,) = report['generations']
    assert (row['generation'], row['state'], row['unreadable']) == (1, 'matches', 0)
    assert row['fingerprint'] == read_json(world, 'status')['fingerprint']
    cli(world, 'app', 'create', 'erp')
    def shows_how_far_it_is():
        terminal = Terminal(world, ['secret', 'backup', 'verify', world.backup, '--passphrase-file', PASSPHRASE], 'root')
        assert terminal.finish() == 0
        return b'reading  [##' in terminal.output
    with slowed(world, 500):  # so that there is something to wait for
        wait_until(shows_how_far_it_is, 'the bar')
    before = world.run('sha256sum /var/lib/mastersecret/keyring').stdout
    restore = ('secret', 'restore', world.backup, '--passphrase-file', PASSPHRASE)
    said = cli(world, *restore, '--dry-run').stdout
    assert re.search(fr'^1 +matches .* {row["fingerprint"]}$', said, re.M)
    assert world.run('sha256sum /var/lib/mastersecret/keyring').stdout == before
    assert 'keyring.aside' in read_json(world, *restore)['kept-aside']
    cli(world, 'status')


def test_rotation(world):
    cli(world, 'app', 'create', 'erp')
    for arguments in ((), ('--dry-run',)):
        fail(world, 'secret', 'rotate', *arguments, status=6, text='recipient add')
    dry = cli(world, 'secret', 'rotate', '--dry-run', '--backup', '/root/dry', '--passphrase-file', PASSPHRASE)
    assert 'generation 2' in dry.stdout and not os.path.exists(world.path('/root/dry'))
    cli(world, 'app', 'create', 'crm')
    cli(world, 'app', 'create', 'hrm')
    # A phase lasts 6 s; on a busy machine the command may not get round to showing it.
    for last in range(1, 6):
        terminal = Terminal(world, ['secret', 'rotate', '--wait', '--throttle', '1', '--backup', f'/root/{last}.backup',
                                    '--passphrase-file', PASSPHRASE], 'root')
        assert terminal.finish() == 0
        shown = [re.search(phase + rb'  \[#+-+\] +\d+ %  \d+/s  \d+ s left', terminal.output)
                 for phase in (b're-encrypting', b'proving')]  # each from its own beginning
        if all(shown):
            break
    assert all(shown), terminal.output
    assert b'rotation from generation %d to %d: 6 records re-encrypted' % (last, last + 1) in terminal.output
    assert [(row['number'], row['state'], row['records']['application'], row['total'])
            for row in read_json(world, 'secret', 'census')] == [(last + 1, 'active', 3, 6)]
    assert re.search(rf'^rotation +ended .*, generation {last} to {last + 1}, 6 records, 0 unreadable$',
                     cli(world, 'status').stdout, re.M)
    assert 'never' in cli(world, 'secret', 'rotate', '--if-due').stdout
    assert read_json(world, 'secret', 'rotate', '--pause')['state'] == 'idle'
    report = read_json(world, 'secret', 'rotate', '--resume', '--wait')
    assert report['state'] == 'idle' and report['re-encrypted'] == 6


# ---- Doctor ----

def findings(world, *arguments, status=1, user='root'):
    rows = json.loads(cli(world, 'doctor', '--json', *arguments, status=status, user=user).stdout)
    assert all(set(row) == {'severity', 'text', 'remedy'} for row in rows)
    return [row for row in rows if row['severity'] != 'note']


@pytest.mark.parametrize('break_it, text', [
    ('chmod 644 /var/lib/mastersecret/keyring', 'keyring is open to others'),
    ('chown root /var/lib/mastersecret/journal', 'journal belongs to uid 0'),
    ('chmod 777 /var/lib/mastersecret-anchor', 'mastersecret-anchor is open to others'),
    ('chmod 666 /etc/mastersecret/mastersecretd.conf', 'mastersecretd.conf is open to others'),
])
def test_doctor_on_files(shared_world, break_it, text):
    """What the remedy says mends it."""
    before = findings(shared_world, status=None)
    shared_world.run(break_it)
    found = [row for row in findings(shared_world) if row not in before]
    assert text in found[0]['text'], found  # the service may have a word on the same
    assert found[0]['remedy'].startswith('run: ')
    shared_world.run(found[0]['remedy'][len('run: '):])
    assert findings(shared_world, status=None) == before


def test_doctor_on_policy(shared_world):
    """A file that is changed, and one that is not there."""
    before = findings(shared_world, status=None)
    policy = '/usr/share/dbus-1/system.d/org.mastersecret1.conf'
    timer = '/usr/lib/systemd/system/mastersecret-rotate.timer'
    shared_world.run(f'cp {policy} {timer} /root; echo >>{policy}; rm {timer}')
    found = [row['text'] for row in findings(shared_world) if row not in before]
    assert found == [f'{policy} is not as it came with this version', f'{timer}: No such file or directory']
    shared_world.run(f'cp /root/{os.path.basename(policy)} {policy}; cp /root/{os.path.basename(timer)} {timer}')
    assert findings(shared_world, status=None) == before


def mends(world, text, *words, **fill):
    """doctor has one finding with text, and the command that it names, with words behind, mends it."""
    rows = json.loads(cli(world, 'doctor', '--json', status=None).stdout)
    (found,) = [row for row in rows if text in row['text']]
    command = ' '.join([found['remedy'].partition('run: ')[2], *words])
    for placeholder, value in fill.items():
        command = command.replace(placeholder, value)
    world.run(command)
    left = json.loads(cli(world, 'doctor', '--json', status=None).stdout)
    assert not [row for row in left if text in row['text']], command
    return found['severity']


def test_doctor_names_what_mends(world):
    """Each finding is provoked, and the command that it names run. What no single command mends has a heading in
    mastersecret-secret(7), whose commands test_secret_tasks.py runs."""
    file = iter(f'/root/{number}.backup' for number in range(9))
    public = read_json(world, 'secret', 'recipient', 'new', '--private-file', '/root/safe.key')['public']
    cli(world, 'secret', 'recipient', 'add', 'safe', public)
    for number in range(8):
        cli(world, 'app', 'create', f'app{number}')
    world.run('install -o mastersecret -m 600 /dev/null /var/lib/mastersecret/keyring.before')
    assert mends(world, 'keyring.before is kept aside') == 'note'
    world.run('mv /etc/mastersecret /root/aside')
    assert mends(world, '/etc/mastersecret: No such file') == 'error'
    assert not [row for row in findings(world, status=None) if 'last backup' in row['text']]
    world.run(f'mv {world.backup} /root/moved')
    assert mends(world, 'the last backup', '--to-recipients', FILE=next(file)) == 'warning'
    world.run('printf sixteen-x-bytes- | dd of=/root/0.backup bs=1 seek=300 conv=notrunc')
    assert mends(world, 'is not as it was when it was proven', '--to-recipients', FILE=next(file)) == 'error'
    world.write(world.config, f'[secret]\nbackup-directory = {world.state}-backup\n')
    world.run('busctl call org.mastersecret1 /org/mastersecret1 org.mastersecret1.Manager Reload')
    written = read_json(world, 'secret', 'backup', 'create', '--to-directory')['backup']
    world.run(f'rm {written}; mkfifo {written}')
    assert [row for row in findings(world) if 'in the backup directory was changed' in row['text']]
    world.run(f'rm {written}')
    assert mends(world, 'gone from the backup directory', '--to-recipients', FILE=next(file)) == 'warning'
    world.run(f'mv {world.state}/keyfile /root')
    assert mends(world, 'slot 1 (keyfile) does not open') == 'error'
    assert mends(world, 'only one slot opens', f'--passphrase-file {PASSPHRASE}', KIND='passphrase') == 'note'
    world.run(f'printf c | dd of={world.state}/keyring bs=1 seek=34 conv=notrunc')  # the kind of the first
    assert mends(world, 'of a newer version or ill-formed') == 'warning'
    cli(world, 'secret', 'slot', 'add', 'keyfile')
    cli(world, 'secret', 'rotate', '--backup', '/root/new.backup', '--to-recipients', '--throttle', '1')
    cli(world, 'secret', 'rotate', '--pause')
    assert mends(world, 'rests', '--throttle 0 --wait') == 'warning'
    cli(world, 'secret', 'seal')
    assert mends(world, 'the service is sealed') == 'error'
    cli(world, 'secret', 'seal')
    refused = fail(world, 'secret', 'restore', '/root/2.backup', '--private-key', '/root/safe.key', status=5, text='16 of 16')
    assert '--accept-loss' in refused.stderr
    cli(world, 'secret', 'restore', '/root/2.backup', '--private-key', '/root/safe.key', '--accept-loss', '16')
    assert mends(world, 'records that were opened do not open', '--private-key /root/safe.key', FILE='/root/new.backup') == \
        'error'
    assert len(read_json(world, 'app', 'list')) == 8


def test_doctor_on_limits_and_clock(world):
    """Without memory that may be locked, and with a clock before the last backup."""
    world.kill_service('TERM')
    world.run(f'ulimit -l 0; setsid setpriv --reuid mastersecret --regid mastersecret --clear-groups {world.daemon} '
              '</dev/null >/dev/null 2>&1 &')
    wait_until(world.service_pid, 'the service')
    for wanted in (1, 0):
        if wanted == 0:
            world.restart_service()
        found = [row for row in findings(world, status=None) if 'memory cannot be locked' in row['text']]
        assert len(found) == wanted and all('LimitMEMLOCK=' in row['remedy'] for row in found)
    world.run('cc -shared -fPIC -o /usr/lib/before.so -x c -', input='long time(long *at) { return 1000000; }')
    rows = json.loads(world.run('LD_PRELOAD=/usr/lib/before.so mastersecret doctor --json', check=False).stdout)
    (found,) = [row for row in rows if 'the clock is behind' in row['text']]
    assert found['severity'] == 'error' and found['remedy'].startswith('run: timedatectl ')
    world.run('cc -shared -fPIC -o /usr/lib/after.so -x c -', input='long time(long *at) { return 4102444800; }')  # 2100
    for policy, wanted in (('', ('note', 'older than a year')), ('90d', ('warning', 'is due (rotate-after)'))):
        world.write(world.config, f'[secret]\nrotate-after = {policy}\n')
        world.run('busctl call org.mastersecret1 /org/mastersecret1 org.mastersecret1.Manager Reload')
        rows = json.loads(world.run('LD_PRELOAD=/usr/lib/after.so mastersecret doctor --json', check=False).stdout)
        assert [row['remedy'] for row in rows if row['severity'] == wanted[0] and wanted[1] in row['text']] == \
            ['run: mastersecret secret rotate --backup FILE']
        assert 'rotate --backup' not in world.run('mastersecret doctor --json', check=False).stdout


def test_doctor_without_the_service(world):
    text = cli(world, *NOWHERE, 'doctor', status=1).stdout
    assert re.search(r'^error +the service cannot be reached\n +run: systemctl status', text, re.M)


def test_doctor_of_somebody_else(shared_world):
    """Whoever may not look is told so, and to no file's name in the folder."""
    rows = json.loads(cli(shared_world, 'doctor', '--json', user='dave', status=None).stdout)
    assert not [row for row in rows if 'keyring' in row['text']]

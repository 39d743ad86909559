# SPDX-FileCopyrightText: 2026 The mastersecret authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an administrator reviews: bus policy, unit, polkit actions."""
import os
import re
import subprocess
import xml.etree.ElementTree as xml

import pytest

from conftest import BUILD, SOURCE

pytestmark = pytest.mark.unconfigured

STAGE = os.environ.get('MS_STAGE', f'{BUILD}/stage')
POLICY = f'{STAGE}/usr/share/dbus-1/system.d/org.mastersecret1.conf'
NAME = 'org.mastersecret1'


def rules(context):
    return [rule for policy in xml.parse(POLICY).getroot().iter('policy')
            if context.items() <= policy.attrib.items() for rule in policy]


def test_bus_policy_names_each_interface_and_no_more():
    with open(f'{SOURCE}/common/names.h', encoding='utf-8') as header:
        ours = {NAME + suffix for suffix in
                re.findall(r'BUS_INTERFACE_\w+ BUS_NAME "(\.\w+)"', header.read())}
    standard = {f'org.freedesktop.DBus.{name}'
                for name in ('Introspectable', 'Properties', 'ObjectManager', 'Peer')}
    allowed = [rule.attrib for rule in rules({'context': 'default'}) if rule.tag == 'allow']
    assert all(rule.keys() == {'send_destination', 'send_interface'} for rule in allowed)
    assert {rule['send_destination'] for rule in allowed} == {NAME}
    assert {rule['send_interface'] for rule in allowed} == ours | standard


def test_bus_policy_lets_only_the_service_own_the_name():
    assert [(rule.tag, rule.attrib) for rule in rules({'user': 'mastersecret'})] == \
        [('allow', {'own': NAME})]
    denied = [rule.attrib for rule in rules({'context': 'default'}) if rule.tag == 'deny']
    assert {'own': NAME} in denied and {'send_destination': NAME} in denied


@pytest.mark.parametrize('user', ('root', 'alice'))
def test_nobody_else_owns_the_name(shared_world, user):
    done = shared_world.run(
        ['dbus-send', '--system', '--print-reply', '--dest=org.freedesktop.DBus', '/',
         'org.freedesktop.DBus.RequestName', f'string:{NAME}', 'uint32:0'], user, check=False)
    assert 'AccessDenied' in done.stderr


@pytest.mark.parametrize('user', ('root', 'alice'))
@pytest.mark.parametrize('member', ('org.mastersecret1.Nothing.Call', 'org.example.Call'))
def test_the_bus_denies_what_is_not_named(shared_world, user, member):
    done = shared_world.run(['dbus-send', '--system', '--print-reply', f'--dest={NAME}',
                             '/org/mastersecret1', member], user, check=False)
    assert 'AccessDenied' in done.stderr and 'rejected' in done.stderr.lower()


def test_unit_exposes_little():
    done = subprocess.run(['systemd-analyze', 'security', '--offline=true', '--threshold=10',
                           '--no-pager', f'{STAGE}/usr/lib/systemd/system/mastersecretd.service'],
                          stdout=subprocess.PIPE, check=True, text=True)
    score = re.search(r'exposure level for mastersecretd.service: ([0-9.]+)', done.stdout)
    assert float(score[1]) <= 1.0


def test_polkit_actions_ask_an_administrator_and_belong_to_the_service():
    root = xml.parse(f'{STAGE}/usr/share/polkit-1/actions/org.mastersecret1.policy').getroot()
    actions = {action.get('id'): action for action in root.iter('action')}
    assert set(actions) == {f'{NAME}.manage-{what}'
                            for what in ('secret', 'applications', 'mappings', 'service')}
    for action in actions.values():
        assert {rule.tag: rule.text for rule in action.find('defaults')} == {
            'allow_any': 'auth_admin', 'allow_inactive': 'auth_admin', 'allow_active': 'auth_admin'}
        assert action.find('annotate[@key="org.freedesktop.policykit.owner"]').text == \
            'unix-user:mastersecret'


def test_installed_files_hold_no_placeholder():
    left = subprocess.run(['grep', '-rIlE', '@[a-z]+dir@|@VERSION@', STAGE], check=False,
                          stdout=subprocess.PIPE, text=True).stdout
    assert left == ''

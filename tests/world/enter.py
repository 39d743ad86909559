# SPDX-FileCopyrightText: 2026 The mastersecret authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a command gets into a world that runs."""
import os

import furnish


def check(pid):
    with open(f'/proc/{pid}/status', encoding='utf-8') as status:
        numbers = [line.split()[1:] for line in status if line.startswith('NSpid:')][0]
    if len(numbers) < 2 or numbers[-1] != '1':
        raise OSError(f'{pid} is no world')


def environment(user):
    terminal = {'TERM': os.environ.get('TERM', 'dumb')}
    if user == 'root':
        return furnish.ENVIRONMENT | terminal
    return furnish.ENVIRONMENT | terminal | {'USER': user, 'LOGNAME': user, 'HOME': f'/home/{user}'}


def arguments(pid, user, command):
    """The argument vector that runs command as user in the world pid."""
    variables = [f'{key}={value}' for key, value in environment(user).items()]
    who = [] if user == 'root' else ['setpriv', '--reuid', user, '--regid', user, '--init-groups']
    return ['nsenter', '-t', str(pid), '-m', '-u', '-i', '-n', '-p', '-C', '--',
            'env', '-i', *variables, *who, *command]

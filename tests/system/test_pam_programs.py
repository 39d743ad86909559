# SPDX-FileCopyrightText: 2026 The mastersecret authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every program that lets people in, with the samples as installed, in every state of the mapping and
the service: each login ends as the stack says, and trouble costs it no more than the deadline."""
import contextlib
from typing import Callable, NamedTuple

import pytest

import login_programs
from login_programs import PROGRAMS, SECRET, absent, disabled, killed, sealed, stopped

pytestmark = pytest.mark.service

# The deadline, and all programs at once on a busy machine; what waits for libdbus or for the bus waits 25 s.
LATE = 7


class State(NamedTuple):
    """What is different about world and login, and who is let in (None: who can be, is). Nobody asks
    about a login with a key, which the samples leave to the other modules."""
    let_in: tuple
    user: str = 'alice'
    password: str = SECRET
    during: Callable = contextlib.nullcontext
    changes: tuple = ()
    in_trouble: bool = False


ALL = tuple(PROGRAMS)
KEY = ('sshd publickey',)
# A module behind that lets everybody in tells PAM_IGNORE from a refusal, which look the same alone.
FAIL, IGNORE = ((('application=erp', f'application=erp{option}\nauth      required    pam_permit.so'),)
                for option in ('', ' unavailable=ignore'))


STATES = {
    'right password': State(ALL),
    'wrong password': State(KEY, password='wrong'),
    'local password': State(KEY, password='alice-login'),
    'disabled mapping': State(KEY, during=disabled),
    'stranger': State(KEY, user='bob', password='bob-login'),
    # It answers, so unavailable=ignore does not cover it.
    'sealed service': State(KEY, during=sealed),
    'sealed service, ignore': State(KEY, during=sealed, changes=IGNORE),
    'stopped service': State(KEY, during=stopped, changes=FAIL, in_trouble=True),
    'stopped service, ignore': State(ALL, during=stopped, changes=IGNORE, in_trouble=True),
    'restarted service': State(None, during=killed, in_trouble=True),
    'no service': State(KEY, during=absent, changes=FAIL, in_trouble=True),
    'no service, ignore': State(ALL, during=absent, changes=IGNORE, in_trouble=True),
}


@pytest.fixture(name='machine', scope='module')
def make_machine(shared_world):
    return login_programs.furnish(shared_world)


@pytest.fixture(name='usual', scope='module')
def measure_usual(machine):
    """How long each program takes when all is well."""
    login_programs.stacks(machine, 'verify')
    return login_programs.attempts(machine, 'alice', SECRET)


@pytest.fixture(name='logins', scope='module', params=STATES)
def log_in(request, machine, usual):
    """(state, {program: Attempt})"""
    state = STATES[request.param]
    login_programs.stacks(machine, 'verify', *state.changes, in_trouble=state.in_trouble)
    with state.during(machine):
        attempts = login_programs.attempts(machine, state.user, state.password)
        return state, login_programs.in_time(attempts, usual, LATE, lambda programs: login_programs.attempts(
            machine, state.user, state.password, programs=programs))


def test_every_program_ends_as_the_stack_says(logins):
    state, attempts = logins
    sessions = {program: attempt.said for program, attempt in attempts.items()}
    users = {program: 'root\n' if program == 'sudo' else f'{state.user}\n' for program in PROGRAMS}
    let_in = state.let_in
    if let_in is None:
        let_in = {program for program in PROGRAMS if sessions[program]}
    assert sessions == {program: users[program] if program in let_in else '' for program in PROGRAMS}


def test_cockpit_15662_omarchy_8747_absent_service_costs_the_deadline_at_most(logins, usual):
    state, attempts = logins
    longer = {program: round(attempt.seconds - usual[program].seconds, 1)
              for program, attempt in attempts.items()}
    assert not state.in_trouble or {program: seconds for program, seconds in longer.items() if seconds > LATE} == {}

# SPDX-FileCopyrightText: 2026 The mastersecret authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What others need to put everything they keep under another key, measured where they are installed: in a folder
of their own, with sockets of their own, and nothing started that is the machine's."""
import glob
import os
import pwd
import shutil
import time

from stand import ENVIRONMENT, SCRATCH, Failed, command

VALUE_SIZE = 300


class Kerberos:
    """MIT Kerberos: its master key is replaced, and each principal's keys encrypted anew."""
    name = 'kdb5_util update_princ_encryption'
    packages = 'krb5-kdc, krb5-admin-server'

    def __init__(self):
        self.folder = f'{SCRATCH}/krb5'
        shutil.rmtree(self.folder, ignore_errors=True)
        os.mkdir(self.folder, mode=0o700)
        config = f'{self.folder}/krb5.conf'
        with open(config, 'w', encoding='ascii') as file:
            file.write('[libdefaults]\ndefault_realm = BENCH\n'
                       f'[realms]\nBENCH = {{\ndatabase_name = {self.folder}/principal\n'
                       f'key_stash_file = {self.folder}/stash\nmaster_key_type = aes256-cts\n}}\n')
        self.environment = {**ENVIRONMENT, 'KRB5_CONFIG': config, 'KRB5_KDC_PROFILE': config}

    @staticmethod
    def installed():
        return all(shutil.which(name, path=ENVIRONMENT['PATH']) for name in ('kdb5_util', 'kadmin.local'))

    def _run(self, *arguments, **options):
        return command(*arguments, env=self.environment, **options)

    def _fill(self, count):
        """A dump in which one principal is repeated under other names of the same length."""
        dump = f'{self.folder}/dump'
        self._run('kdb5_util', 'create', '-s', '-P', 'of the benchmark')
        self._run('kadmin.local', '-q', 'addprinc -randkey p0000000@BENCH')
        self._run('kdb5_util', 'dump', dump)
        with open(dump, encoding='utf-8') as file:
            lines = file.readlines()
        model = next(line for line in lines if 'p0000000@BENCH' in line)
        with open(dump, 'w', encoding='utf-8') as file:
            file.writelines(lines)
            file.writelines(model.replace('p0000000', f'p{number:07}') for number in range(1, count))
        self._run('kdb5_util', 'load', dump)

    def rate(self, count):
        """Principals a second."""
        self._fill(count)
        self._run('kdb5_util', 'add_mkey', '-s', given='of the benchmark\n' * 2)
        self._run('kdb5_util', 'use_mkey', '2')
        begin = time.monotonic()
        done = self._run('kdb5_util', 'update_princ_encryption', '-f')
        seconds = time.monotonic() - begin
        if int(done.split()[0]) < count or ' 0 already current' not in done:
            raise Failed(f'kdb5_util did not encrypt all: {done}')
        shutil.rmtree(self.folder)
        return count / seconds


class Postgres:
    """PostgreSQL with pgcrypto: one statement decrypts and encrypts each row, and is durable."""
    name = 'PostgreSQL with pgcrypto'
    packages = 'postgresql-15, postgresql-contrib'

    def __init__(self):
        self.folder = f'{SCRATCH}/postgres'
        self.programs = self._programs()
        shutil.rmtree(self.folder, ignore_errors=True)
        os.mkdir(self.folder, mode=0o700)
        owner = pwd.getpwnam('postgres')
        os.chown(self.folder, owner.pw_uid, owner.pw_gid)
        self.owner = {'user': owner.pw_uid, 'group': owner.pw_gid, 'extra_groups': []}

    @staticmethod
    def _programs():
        found = sorted(glob.glob('/usr/lib/postgresql/*/bin'))
        return found[-1] if found else ''

    @classmethod
    def installed(cls):
        return (os.path.exists(f'{cls._programs()}/initdb') and
                bool(glob.glob('/usr/share/postgresql/*/extension/pgcrypto.control')))

    def _run(self, program, *arguments):
        return command(f'{self.programs}/{program}', *arguments, env=ENVIRONMENT, cwd=self.folder,
                       **self.owner)

    def _sql(self, statement):
        return self._run('psql', '-qAt', '-v', 'ON_ERROR_STOP=1', '-h', self.folder, '-c', statement,
                         'postgres')

    def rate(self, count):
        """Rows a second."""
        data = f'{self.folder}/data'
        self._run('initdb', '--auth=trust', data)
        self._run('pg_ctl', '-w', '-D', data, '-l', f'{self.folder}/log', '-o',
                  f"-k {self.folder} -c listen_addresses=''", 'start')
        try:
            self._sql('create extension pgcrypto; create table kept(id int primary key, value bytea); '
                      'insert into kept select n, encrypt(gen_random_bytes'
                      f"({VALUE_SIZE}), '0123456789abcdef', 'aes') from generate_series(1, {count}) n")
            begin = time.monotonic()
            self._sql("update kept set value = encrypt(decrypt(value, '0123456789abcdef', 'aes'), "
                      "'fedcba9876543210', 'aes')")
            seconds = time.monotonic() - begin
        finally:
            self._run('pg_ctl', '-w', '-D', data, '-m', 'immediate', 'stop')
        shutil.rmtree(self.folder)
        return count / seconds


PEERS = (Kerberos, Postgres)

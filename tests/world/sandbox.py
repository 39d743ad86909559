# SPDX-FileCopyrightText: 2026 The mastersecret authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine of its own: namespaces, an overlay of / on tmpfs, and a PID 1 that reaps.

Everything lives in the namespaces, so the kernel clears it away when PID 1 ends, and PID 1 is
killed when the process that made it ends, however that comes about."""
import os
import signal
import stat

import kernel

INIT_NAME = 'world-init'
# Where the tmpfs that holds the upper layers is put, in the world's own mount table only.
SCRATCH = '/mnt'
SYSTEMD = '/lib/systemd/systemd'
# Where a booted world's systemd looks for a TPM; nothing listens until a test starts swtpm there.
TPM = 'swtpm:host=127.0.0.1,port=2321'
DEVICES = ('null', 'zero', 'full', 'random', 'urandom', 'tty')
# Private to the world or made anew there; a file system mounted below is not carried over.
FRESH = ('/proc', '/sys', '/dev', '/run', '/tmp')
# No file system of a machine's own files.
PSEUDO = frozenset((
    'autofs bpf binfmt_misc cgroup cgroup2 configfs debugfs devpts devtmpfs efivarfs fusectl '
    'hugetlbfs mqueue nsfs proc pstore ramfs rpc_pipefs securityfs sysfs tmpfs tracefs').split())


def start(furnish, binds, report, lower=None, network=True):
    """Forks PID 1 of a new machine and returns its pid as seen from here.

    lower is the folder its root is laid over, this machine's own file systems without one; network
    says whether it gets a network of its own, which is the loopback alone. furnish() runs inside before the machine counts as up. binds are folders that stay visible at
    their own path, read-only. The end of the pipe report gets one line when the machine is up;
    it is closed without one if that failed."""
    kernel.unshare(kernel.CLONE_NEWPID)
    outside = os.getpid()
    pid = os.fork()
    if pid == 0:
        _init(furnish, report, outside, network, lambda: _make_root(binds, lower))
    return pid


def _init(furnish, report, outside, network, make_root):
    try:
        kernel.die_with_parent(outside)
        kernel.unshare(kernel.CLONE_NEWNS | kernel.CLONE_NEWUTS | kernel.CLONE_NEWIPC |
                       (kernel.CLONE_NEWNET if network else 0))
        kernel.set_name(INIT_NAME)
        os.umask(0o022)
        make_root()
        if network:
            kernel.loopback_up()
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        furnish()
        os.write(report, b'up\n')
        os.close(report)
        reap_until(None)
    except BaseException as error:  # pylint: disable=broad-except
        os.write(2, f'world: {error}\n'.encode())
    os._exit(125)


def reap_until(child):
    """Reaps whatever ends; returns the exit status of child, or never without one."""
    while True:
        try:
            pid, status = os.wait()
        except ChildProcessError:
            signal.pause()
            continue
        except InterruptedError:
            continue
        if pid == child:
            code = os.waitstatus_to_exitcode(status)
            return 128 - code if code < 0 else code


def _make_root(binds, lower):
    kernel.mount('', '/', '', kernel.MS_REC | kernel.MS_PRIVATE)
    outer = _open_all(binds)
    mounts = {'/': _open(lower)} if lower else _open_all(_real_mounts())
    kernel.mount('world', SCRATCH, 'tmpfs', 0, 'mode=0755')
    root = f'{SCRATCH}/root'
    for number, (path, descriptor) in enumerate(mounts.items()):
        _overlay(descriptor, root if path == '/' else root + path, number)
    _make_fresh(root)
    for path, descriptor in outer.items():
        os.makedirs(root + path, exist_ok=True)
        kernel.bind(_opened(descriptor), root + path, read_only=True)
    for descriptor in (*outer.values(), *mounts.values()):
        os.close(descriptor)
    kernel.pivot_root(root)


def _open_all(paths):
    """Held open, folders stay reachable whatever gets mounted over them."""
    return {path: _open(path) for path in paths}


def _open(path):
    return os.open(path, os.O_PATH | os.O_DIRECTORY)


def _opened(descriptor):
    return f'/proc/self/fd/{descriptor}'


def _real_mounts():
    """The mount points with files of the machine, root first."""
    found = {'/'}
    with open('/proc/self/mountinfo', encoding='utf-8', errors='surrogateescape') as table:
        for line in table:
            fields, _, kind = line.partition(' - ')
            path = fields.split()[4].encode().decode('unicode_escape')
            fresh = any(path == top or path.startswith(top + '/') for top in FRESH)
            if kind.split()[0] not in PSEUDO and not fresh and os.path.isdir(path):
                found.add(path)
    return sorted(found)


def _overlay(lower, target, number):
    upper, work = f'{SCRATCH}/upper{number}', f'{SCRATCH}/work{number}'
    for path in (upper, work, target):
        os.makedirs(path, exist_ok=True)
    info = os.fstat(lower)
    os.chown(upper, info.st_uid, info.st_gid)
    os.chmod(upper, stat.S_IMODE(info.st_mode))
    options = f'lowerdir={_opened(lower)},upperdir={upper},workdir={work}'
    try:
        kernel.mount('world', target, 'overlay', 0, options)
    except OSError:
        # Some file systems cannot be below an overlay; / must, others are shown as they are.
        if number == 0:
            raise
        kernel.bind(_opened(lower), target, read_only=True)


def _make_fresh(root):
    for path in FRESH:
        os.makedirs(root + path, exist_ok=True)
    kernel.mount('proc', root + '/proc', 'proc',
                 kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC)
    try:
        kernel.mount('sysfs', root + '/sys', 'sysfs', kernel.MS_RDONLY | kernel.MS_NOSUID |
                     kernel.MS_NODEV | kernel.MS_NOEXEC)
    except OSError:
        kernel.bind('/sys', root + '/sys', read_only=True)
    kernel.mount('run', root + '/run', 'tmpfs', kernel.MS_NODEV, 'mode=0755')
    kernel.mount('tmp', root + '/tmp', 'tmpfs', kernel.MS_NODEV, 'mode=1777')
    _make_devices(root + '/dev')


def _make_devices(dev):
    kernel.mount('dev', dev, 'tmpfs', kernel.MS_NOEXEC, 'mode=0755')
    for name in DEVICES:
        _make_device(f'/dev/{name}', f'{dev}/{name}')
    for name, target in (('fd', 'fd'), ('stdin', 'fd/0'), ('stdout', 'fd/1'), ('stderr', 'fd/2')):
        os.symlink(f'/proc/self/{target}', f'{dev}/{name}')
    for name in ('pts', 'shm'):
        os.mkdir(f'{dev}/{name}')
    kernel.mount('devpts', f'{dev}/pts', 'devpts', kernel.MS_NOEXEC,
                 'newinstance,gid=5,mode=0620,ptmxmode=0666')
    os.symlink('pts/ptmx', f'{dev}/ptmx')
    kernel.mount('shm', f'{dev}/shm', 'tmpfs', kernel.MS_NODEV, 'mode=1777')


def _make_device(original, path):
    info = os.stat(original)
    try:
        os.mknod(path, stat.S_IFCHR | 0o666, info.st_rdev)
        os.chmod(path, 0o666)
        os.close(os.open('/dev/null' if path.endswith('tty') else path, os.O_RDONLY))
    except OSError:
        # A container may not make devices, nor open the ones it made: borrow the outer one.
        with open(path, 'ab'):
            pass
        kernel.bind(original, path)


def make_cgroup():
    """A control group of its own for a world that boots systemd; this process moves into it."""
    with open('/proc/self/mountinfo', encoding='utf-8', errors='surrogateescape') as table:
        roots = [line.split()[4] for line in table if ' - cgroup2 ' in line]
    if not roots:
        raise OSError('there is no cgroup2 file system')
    path = os.path.join(roots[0], f'world-{os.getpid()}')
    os.makedirs(path, exist_ok=True)  # one who was killed may have left it
    _enter(path)
    return path


def _enter(cgroup):
    with open(f'{cgroup}/cgroup.procs', 'w', encoding='utf-8') as processes:
        processes.write('0')


def remove_cgroup(path):
    _enter(os.path.dirname(path))
    for folder, _, _ in os.walk(path, topdown=False):
        os.rmdir(folder)


def boot():
    """Goes on as systemd. Its own view of control groups begins at the group we are in."""
    kernel.unshare(kernel.CLONE_NEWCGROUP)
    kernel.mount('cgroup2', '/sys/fs/cgroup', 'cgroup2')
    # As outside a container: the credentials of a unit reach it by propagation of a mount.
    kernel.mount('', '/', '', kernel.MS_REC | kernel.MS_SHARED)
    os.environ.update(container='other', SYSTEMD_TPM2_DEVICE=TPM)
    null = os.open('/dev/null', os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(null, number)
    os.execv(SYSTEMD, ('systemd', '--unit=basic.target', '--log-target=journal'))

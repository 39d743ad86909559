# SPDX-FileCopyrightText: 2026 The mastersecret authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The few system calls a world needs that Python does not offer."""
import array
import ctypes
import fcntl
import os
import signal
import socket

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x20000, 0x4000000, 0x8000000
CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWCGROUP = 0x20000000, 0x40000000, 0x2000000

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 1, 2, 4, 8, 32
MS_BIND, MS_REC, MS_PRIVATE, MS_SHARED = 4096, 16384, 1 << 18, 1 << 20

MNT_DETACH = 2
PR_SET_PDEATHSIG, PR_SET_NAME = 1, 15
SYS_PIVOT_ROOT = {'x86_64': 155, 'aarch64': 41, 'riscv64': 41, 'ppc64le': 203, 's390x': 217,
                  'i686': 217, 'armv7l': 218}
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mount.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong,
                        ctypes.c_char_p)


def _check(result, what):
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f'{what}: {os.strerror(number)}')


def unshare(flags):
    _check(_libc.unshare(flags), 'cannot make namespaces')


def mount(source, target, kind, flags=0, data=''):
    _check(_libc.mount(source.encode(), os.fsencode(target), kind.encode(), flags, data.encode()),
           f'cannot mount {kind or source} on {target}')


def bind(source, target, read_only=False):
    mount(source, target, '', MS_BIND | MS_REC)
    if read_only:
        mount('', target, '', MS_REMOUNT | MS_BIND | MS_RDONLY | _locked_flags(target))


def _locked_flags(target):
    """Flags that a remount must repeat, else it would clear them (or be refused for it)."""
    flags = os.statvfs(target).f_flag
    kept = ((os.ST_NOSUID, MS_NOSUID), (os.ST_NODEV, MS_NODEV), (os.ST_NOEXEC, MS_NOEXEC))
    return sum(mount_flag for vfs_flag, mount_flag in kept if flags & vfs_flag)


def pivot_root(new_root):
    """Makes new_root the root and lets the old one go."""
    os.chdir(new_root)
    number = SYS_PIVOT_ROOT[os.uname().machine]
    _check(_libc.syscall(number, b'.', b'.'), 'cannot change the root')
    _check(_libc.umount2(b'.', MNT_DETACH), 'cannot leave the old root')
    os.chdir('/')


def die_with_parent(parent):
    """SIGKILL for this process when parent ends, also when it has ended already."""
    _check(_libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), 'cannot bind to the parent')
    if not os.path.exists(f'/proc/{parent}') or b'Z' in _state(parent):
        os._exit(128 + signal.SIGKILL)


def _state(pid):
    with open(f'/proc/{pid}/stat', 'rb') as stat:
        return stat.read().rpartition(b')')[2].split()[0]


def set_name(name):
    _check(_libc.prctl(PR_SET_NAME, name.encode(), 0, 0, 0), 'cannot set the process name')


def loopback_up():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        request = array.array('B', b'lo'.ljust(40, b'\0'))
        fcntl.ioctl(sock, SIOCGIFFLAGS, request)
        flags = int.from_bytes(request[16:18], 'little') | IFF_UP
        request[16:18] = array.array('B', flags.to_bytes(2, 'little'))
        fcntl.ioctl(sock, SIOCSIFFLAGS, request)

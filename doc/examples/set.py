#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The mastersecret authors
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Store the caller's own credentials over D-Bus: printf %s VALUE | set.py APPLICATION EXTERNAL_USER FIELD"""
import os
import sys

import dbus

application, external_user, field = sys.argv[1:4]
path = "/org/mastersecret1/application/" + "".join(
    c if c.isascii() and c.isalnum() else "".join(f"_{b:02x}" for b in c.encode())
    for c in application)
service = dbus.SystemBus().get_object("org.mastersecret1", path)

read_end, write_end = os.pipe()
os.write(write_end, sys.stdin.buffer.read(65536))
os.close(write_end)
revision = dbus.Interface(service, "org.mastersecret1.Application").SetMapping(
    "", external_user, dbus.Dictionary({}, signature="ss"),
    dbus.Dictionary({field: dbus.types.UnixFd(read_end)}, signature="sh"))
print(f"stored, revision {revision}")

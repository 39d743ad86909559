#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The mastersecret authors
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Look up the caller's own credentials with nothing but D-Bus: lookup.py APPLICATION FIELD

The secret never travels in a message: the caller makes a pipe, passes its write end, and reads after the reply."""
import os
import sys

import dbus

application, field = sys.argv[1:3]
service = dbus.SystemBus().get_object("org.mastersecret1", "/org/mastersecret1")
credentials = dbus.Interface(service, "org.mastersecret1.Credentials")

read_end, write_end = os.pipe()
external_user, plain, freshness = credentials.Lookup(
    application, "", dbus.Dictionary({field: dbus.types.UnixFd(write_end)}, signature="sh"))
value = os.read(read_end, 65536)  # the whole value: it was written before the reply was sent

print(f"{external_user} logs in to {application} with {len(value)} bytes of {field}")
for label, text in plain.items():
    print(f"  {label} = {text}")
print(f"  sealed under generation {freshness[0]}, changed at revision {freshness[2]}")

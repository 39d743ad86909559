# SPDX-FileCopyrightText: 2026 The mastersecret authors
# SPDX-License-Identifier: GPL-3.0-or-later
# Reads .trs files of `make check` and prints "PASSED FAILED": single tests where the program says
# how many it ran (cmocka, TAP), else one for the program.
function finish(    log_name, line, ok, bad) {
    if (file == "")
        return
    log_name = file
    sub(/\.trs$/, ".log", log_name)
    while ((getline line < log_name) > 0) {
        if (line ~ /^\[  PASSED  \] [0-9]+ test/)
            ok += field(line, 4)
        else if (line ~ /^\[  FAILED  \] [0-9]+ test/)
            bad += field(line, 4)
        else if (line ~ /^ok [0-9]/)
            ok++
        else if (line ~ /^not ok [0-9]/)
            bad++
    }
    close(log_name)
    if (result ~ /FAIL|ERROR|XPASS/ && bad == 0)
        bad = 1
    if (result ~ /PASS/ && result !~ /XPASS/ && ok + bad == 0)
        ok = 1
    passed += ok
    failed += bad
}
function field(line, number,    parts) {
    split(line, parts, /[ ]+/)
    return parts[number] + 0
}
FNR == 1 {
    finish()
    file = FILENAME
    result = ""
}
/^:global-test-result:/ { result = $2 }
END {
    finish()
    print passed + 0, failed + 0
}

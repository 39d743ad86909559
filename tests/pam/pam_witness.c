/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* A PAM module for tests: does what its arguments say, in order, at every entry point.
 *   ask            asks for the password, as the first module of a stack does
 *   authtok=FILE   writes PAM_AUTHTOK to FILE, byte for byte; removes FILE if there is none
 *   return=NUMBER  the PAM code to return, instead of PAM_IGNORE */
#include <security/pam_ext.h>
#include <security/pam_modules.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int ask(pam_handle_t *pamh)
{
    const char *password;

    return pam_get_authtok(pamh, PAM_AUTHTOK, &password, NULL);
}

static void record(pam_handle_t *pamh, const char *path)
{
    const void *password = NULL;
    FILE *file;

    if (pam_get_item(pamh, PAM_AUTHTOK, &password) != PAM_SUCCESS || !password) {
        unlink(path);
        return;
    }
    file = fopen(path, "w");
    if (!file)
        return;
    fputs(password, file);
    fclose(file);
}

static int witness(pam_handle_t *pamh, int argc, const char **argv)
{
    int code = PAM_IGNORE;

    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "ask") == 0 && ask(pamh) != PAM_SUCCESS)
            return PAM_CONV_ERR;
        if (strncmp(argv[i], "authtok=", 8) == 0)
            record(pamh, argv[i] + 8);
        if (strncmp(argv[i], "return=", 7) == 0)
            code = atoi(argv[i] + 7);
    }
    return code;
}

#define ENTRY_POINT(name)                                                                          \
    __attribute__((__visibility__("default"))) int name(pam_handle_t *pamh, int flags, int argc,   \
                                                        const char **argv)                         \
    {                                                                                              \
        return witness(pamh, argc, argv);                                                          \
    }

ENTRY_POINT(pam_sm_authenticate)
ENTRY_POINT(pam_sm_setcred)
ENTRY_POINT(pam_sm_acct_mgmt)
ENTRY_POINT(pam_sm_open_session)
ENTRY_POINT(pam_sm_close_session)
ENTRY_POINT(pam_sm_chauthtok)

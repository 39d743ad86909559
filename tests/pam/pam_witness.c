/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* A PAM module for tests: does what its arguments say, in order, at every entry point.
 *   ask            asks for the password, as the first module of a stack does; for a new one when
 *                  chauthtok changes it
 *   authtok=FILE   writes PAM_AUTHTOK to FILE, byte for byte; removes FILE if there is none
 *   user=NAME      makes NAME PAM_USER
 *   return=NUMBER  the PAM code to return, instead of PAM_IGNORE
 *   preliminary=NUMBER  the same for the preliminary check of chauthtok only */
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

static int witness(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
    int preliminary = flags & PAM_PRELIM_CHECK;
    int code = PAM_IGNORE;

    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "ask") == 0 && !preliminary && ask(pamh) != PAM_SUCCESS)
            return PAM_CONV_ERR;
        if (strncmp(argv[i], "authtok=", 8) == 0)
            record(pamh, argv[i] + 8);
        if (strncmp(argv[i], "user=", 5) == 0 &&
            pam_set_item(pamh, PAM_USER, argv[i] + 5) != PAM_SUCCESS)
            return PAM_SYSTEM_ERR;
        if (strncmp(argv[i], "return=", 7) == 0)
            code = atoi(argv[i] + 7);
        if (strncmp(argv[i], "preliminary=", 12) == 0 && preliminary)
            return atoi(argv[i] + 12);
    }
    return code;
}

#define ENTRY_POINT(name)                                                                          \
    __attribute__((__visibility__("default"))) int name(pam_handle_t *pamh, int flags, int argc,   \
                                                        const char **argv)                         \
    {                                                                                              \
        return witness(pamh, flags, argc, argv);                                                          \
    }

ENTRY_POINT(pam_sm_authenticate)
ENTRY_POINT(pam_sm_setcred)
ENTRY_POINT(pam_sm_acct_mgmt)
ENTRY_POINT(pam_sm_open_session)
ENTRY_POINT(pam_sm_close_session)
ENTRY_POINT(pam_sm_chauthtok)

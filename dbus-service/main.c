/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* mastersecretd: a table of contents. */
#include <config.h>

#include "dbus-service/bus/service.h"
#include "dbus-service/harden.h"

#include <errno.h>
#include <getopt.h>
#include <string.h>

enum { EXIT_USAGE = 2, EXIT_CONFIGURATION = 6 };

static const char usage[] = "Usage: mastersecretd [--config FILE]\n"
                            "The mastersecret service; see mastersecretd(8).\n"
                            "  --config FILE  instead of " MS_CONFIG_DIR "/" CONFIG_FILE_NAME "\n"
                            "  --help         this text\n"
                            "  --version      the version\n";

/* 0 to go on, else the exit status + 1. */
static int parse_options(int argc, char **argv, const char **ret_config)
{
    static const struct option options[] = {
        { "config", required_argument, NULL, 'c' },
        { "help", no_argument, NULL, 'h' },
        { "version", no_argument, NULL, 'v' },
        { NULL, 0, NULL, 0 },
    };
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'c') {
            *ret_config = optarg;
        } else if (option == 'v') {
            puts("mastersecretd " PACKAGE_VERSION);
            return EXIT_SUCCESS + 1;
        } else {
            (void)fputs(usage, option == 'h' ? stdout : stderr);
            return (option == 'h' ? EXIT_SUCCESS : EXIT_USAGE) + 1;
        }
    }
    if (optind == argc)
        return 0;
    (void)fputs(usage, stderr);
    return EXIT_USAGE + 1;
}

static int serve(struct config *config, const struct config_paths *paths)
{
    struct service service = { .loop = NULL };
    uv_loop_t loop;
    int r = uv_loop_init(&loop);

    if (r < 0) {
        config_free(config);
        return r;
    }
    r = service_start(&service, &loop, config, paths);
    if (r < 0)
        service_abandon(&service);
    else
        r = service_run(&service);
    service_free(&service);
    return uv_loop_close(&loop) < 0 && r == 0 ? -EBUSY : r;
}

static int run(const char *file)
{
    struct config_paths paths;
    struct config *config = NULL;
    char error[CONFIG_ERROR_MAX] = "the folders are not given by absolute paths";
    int r = config_paths_init(&paths, file);

    if (r == 0)
        r = config_load(paths.config_file, &config, error);
    if (r < 0)
        (void)fprintf(stderr, "mastersecretd: %s\n", error);
    else
        r = serve(config, &paths);
    config_paths_deinit(&paths);
    if (!config)
        return EXIT_CONFIGURATION;
    return r == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    const char *file = NULL, *what = "";
    int r = parse_options(argc, argv, &file);

    if (r > 0)
        return r - 1;
    r = harden(&what);
    if (r < 0) {
        (void)fprintf(stderr, "mastersecretd: cannot %s: %s\n", what, strerrordesc_np(-r));
        return EXIT_FAILURE;
    }
    return run(file);
}

/* SPDX-FileCopyrightText: 2026 The mastersecret authors
 * SPDX-License-Identifier: GPL-3.0-or-later */
/* What bench/run is made of: one verb per kind of measurement, one JSON object per line of output. */
#include "bench/clock.h"
#include "bench/floor.h"
#include "bench/people.h"
#include "bench/stream.h"
#include "common/names.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

/* Streams take turns in blocks this long: whatever the machine does meanwhile meets all of them. */
#define BLOCK_CALLS 50
#define STREAMS_MAX 16

struct options {
    struct workload workload;
    unsigned calls;   /* latency: per stream and round */
    double seconds;   /* throughput: how long; await: at most how long */
};

static int stream_new(const char *name, const struct workload *workload,
                      struct stream **ret_stream)
{
    if (!strncmp(name, "sync:", 5))
        return floor_stream_new(name, ret_stream);
    return client_stream_new(name, workload, ret_stream);
}

/* ---- latency ---- */

struct lane {
    const char *name;
    struct stream *stream;
    uint32_t *nsec;
    unsigned done;
};

static int compare_nsec(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static int lane_block(struct lane *lane, unsigned calls)
{
    for (unsigned i = 0; i < calls; i++) {
        uint64_t begin = clock_nsec();
        int r = stream_call(lane->stream);

        if (r < 0)
            return r;
        lane->nsec[lane->done++] = (uint32_t)(clock_nsec() - begin);
    }
    return 0;
}

static void lane_print(struct lane *lane)
{
    qsort(lane->nsec, lane->done, sizeof(*lane->nsec), compare_nsec);
    printf("{\"stream\": \"%s\", \"calls\": %u, \"p50\": %.2f, \"p99\": %.2f}\n", lane->name,
           lane->done, lane->nsec[lane->done / 2] / 1e3, lane->nsec[lane->done * 99 / 100] / 1e3);
}

static int lanes_run(struct lane *lanes, int count, unsigned calls)
{
    int r = 0;

    /* One block each that does not count: caches of both sides fill. */
    for (int i = 0; i < count && r == 0; i++) {
        r = lane_block(&lanes[i], BLOCK_CALLS);
        lanes[i].done = 0;
    }
    for (unsigned done = 0; done < calls && r == 0; done += BLOCK_CALLS)
        for (int i = 0; i < count && r == 0; i++)
            r = lane_block(&lanes[i], BLOCK_CALLS);
    return r;
}

static int latency(const struct options *options, int count, char **names)
{
    struct lane lanes[STREAMS_MAX] = { 0 };
    int r = count <= STREAMS_MAX ? 0 : -EINVAL;

    for (int i = 0; i < count && r == 0; i++) {
        lanes[i].name = names[i];
        lanes[i].nsec = calloc(options->calls + 2 * BLOCK_CALLS, sizeof(*lanes[i].nsec));
        r = lanes[i].nsec ? stream_new(names[i], &options->workload, &lanes[i].stream) : -ENOMEM;
    }
    if (r == 0)
        r = lanes_run(lanes, count, options->calls);
    for (int i = 0; i < count && i < STREAMS_MAX; i++) {
        if (r == 0)
            lane_print(&lanes[i]);
        stream_free(lanes[i].stream);
        free(lanes[i].nsec);
    }
    return r;
}

/* ---- throughput ---- */

struct race {
    int ready[2]; /* each client writes a byte once it is connected */
    int start[2]; /* closed by the parent: go */
    _Atomic bool stop;
    _Atomic unsigned failed;
    struct lap {
        _Atomic unsigned calls;
        char apart[60]; /* a cache line each */
    } laps[];
};

static _Noreturn void race_client(struct race *race, const char *name,
                                  const struct workload *workload)
{
    struct stream *stream = NULL;
    int r = stream_new(name, workload, &stream);
    char byte = 0;

    close(race->start[1]);
    if (r < 0)
        race->failed++;
    if (write(race->ready[1], &byte, 1) != 1 || read(race->start[0], &byte, 1) != 0 || r < 0)
        _exit(1);
    while (!race->stop && r == 0) {
        r = stream_call(stream);
        if (r == 0)
            race->laps[workload->client].calls++;
    }
    if (r < 0)
        race->failed++;
    _exit(r < 0);
}

static unsigned long race_sum(const struct race *race, unsigned clients)
{
    unsigned long sum = 0;

    for (unsigned i = 0; i < clients; i++)
        sum += race->laps[i].calls;
    return sum;
}

/* From the moment all clients are connected; the first fifth warms up and is not counted. */
static void race_time(struct race *race, unsigned clients, double seconds, const char *name)
{
    unsigned long before, after;
    uint64_t begin, end;
    char byte;

    for (unsigned i = 0; i < clients; i++)
        if (read(race->ready[0], &byte, 1) != 1)
            break;
    close(race->start[1]);
    usleep((useconds_t)(seconds * 0.2 * 1e6));
    begin = clock_nsec();
    before = race_sum(race, clients);
    usleep((useconds_t)(seconds * 1e6));
    after = race_sum(race, clients);
    end = clock_nsec();
    race->stop = true;
    while (wait(NULL) > 0)
        ;
    printf("{\"stream\": \"%s\", \"clients\": %u, \"calls\": %lu, \"all_calls\": %lu, "
           "\"failed\": %u, \"rate\": %.1f}\n",
           name, clients, after - before, race_sum(race, clients), race->failed,
           (double)(after - before) / ((double)(end - begin) / 1e9));
}

static int throughput_one(const struct options *options, const char *name)
{
    unsigned clients = options->workload.clients;
    size_t size = sizeof(struct race) + clients * sizeof(struct lap);
    struct race *race =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    unsigned failed;

    if (race == MAP_FAILED || pipe(race->ready) || pipe(race->start))
        return -errno;
    fflush(stdout);
    for (unsigned i = 0; i < clients; i++) {
        struct workload workload = options->workload;
        pid_t pid = fork();

        workload.client = i;
        if (pid == 0)
            race_client(race, name, &workload);
        if (pid < 0)
            return -errno;
    }
    race_time(race, clients, options->seconds, name);
    close(race->ready[0]);
    close(race->ready[1]);
    close(race->start[0]);
    failed = race->failed;
    munmap(race, size);
    return failed ? -EIO : 0;
}

static int throughput(const struct options *options, int count, char **names)
{
    int r = 0;

    for (int i = 0; i < count && r == 0; i++)
        r = throughput_one(options, names[i]);
    return r;
}

/* ---- start-up ---- */

/* Prints when (CLOCK_MONOTONIC) the service first said that it is in that state. It is begun before
 * the service is, so that its own start counts for nothing. The longer it takes the more seldom it
 * asks, lest asking be what takes time: a figure is at most 1 % too large. */
static int await(const struct options *options, int count, char **names)
{
    uint64_t begin = clock_nsec(), deadline = begin + (uint64_t)(options->seconds * 1e9);

    printf("{\"waiting\": true}\n");
    fflush(stdout);
    while (clock_nsec() < deadline) {
        int r = client_state_is(options->workload.direct_address, count ? names[0] : "ready");

        if (r == 0) {
            printf("{\"ready_nsec\": %llu}\n", (unsigned long long)clock_nsec());
            return 0;
        }
        usleep((useconds_t)(200 + (clock_nsec() - begin) / 1000 / 100));
    }
    fprintf(stderr, "the service did not become ready\n");
    return -ETIMEDOUT;
}

/* ---- GDBM ---- */

static int gdbm_shape(const struct options *options, int count, char **names)
{
    struct gdbm_shape shape;
    int r = count == 1 ? floor_gdbm_shape(names[0], &shape) : -EINVAL;

    if (r == 0)
        printf("{\"entries\": %zu, \"key_size\": %zu, \"value_size\": %zu}\n", shape.entries,
               shape.key_size, shape.value_size);
    return r;
}

static int gdbm_load(const struct options *options, int count, char **names)
{
    struct gdbm_shape shape;
    double seconds;
    int r;

    if (count != 4)
        return -EINVAL;
    shape.entries = strtoul(names[1], NULL, 10);
    shape.key_size = strtoul(names[2], NULL, 10);
    shape.value_size = strtoul(names[3], NULL, 10);
    r = floor_gdbm_load(names[0], &shape, &seconds);
    if (r == 0)
        printf("{\"seconds\": %.3f}\n", seconds);
    return r;
}

/* ---- a syslog that somebody reads ---- */

static int drain(const struct options *options, int count, char **names)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    const void *place = &address;
    int fd CLEANUP_CLOSE = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    char line[8192];

    if (count != 1 || strlen(names[0]) >= sizeof(address.sun_path))
        return -EINVAL;
    memcpy(address.sun_path, names[0], strlen(names[0]) + 1);
    if (fd < 0 || bind(fd, place, sizeof(address)) ||
        chmod(names[0], 0666))
        return -errno;
    printf("{\"waiting\": true}\n");
    fflush(stdout);
    while (recv(fd, line, sizeof(line), 0) >= 0)
        ;
    return -errno;
}

static const struct verb {
    const char *name;
    int (*run)(const struct options *options, int count, char **names);
    const char *arguments;
} verbs[] = {
    { "latency", latency, "STREAM...   microseconds of each, taking turns" },
    { "throughput", throughput, "STREAM...   operations a second of --clients at once" },
    { "await", await, "[STATE]   the time at which the service is ready" },
    { "gdbm-shape", gdbm_shape, "FILE   entries and mean sizes" },
    { "gdbm-load", gdbm_load, "FILE ENTRIES KEY-SIZE VALUE-SIZE   seconds of a bulk load" },
    { "drain", drain, "SOCKET   takes and forgets what is logged" },
};

static int usage(void)
{
    fprintf(stderr, "measure [--users N] [--calls N] [--clients N] [--seconds S] "
                    "[--bus ADDRESS] [--direct ADDRESS] [--folder PATH] VERB ...\n");
    for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++)
        fprintf(stderr, "  %s %s\n", verbs[i].name, verbs[i].arguments);
    return 2;
}

static const struct option long_options[] = {
    { "users", required_argument, NULL, 'u' },   { "calls", required_argument, NULL, 'n' },
    { "clients", required_argument, NULL, 'c' }, { "seconds", required_argument, NULL, 's' },
    { "bus", required_argument, NULL, 'b' },     { "direct", required_argument, NULL, 'd' },
    { "folder", required_argument, NULL, 'f' },  { NULL, 0, NULL, 0 },
};

static int options_parse(int argc, char **argv, struct options *options)
{
    int option;

    while ((option = getopt_long(argc, argv, "+", long_options, NULL)) != -1) {
        if (option == 'u')
            options->workload.users = (unsigned)strtoul(optarg, NULL, 10);
        else if (option == 'n')
            options->calls = (unsigned)strtoul(optarg, NULL, 10);
        else if (option == 'c')
            options->workload.clients = (unsigned)strtoul(optarg, NULL, 10);
        else if (option == 's')
            options->seconds = strtod(optarg, NULL);
        else if (option == 'b')
            options->workload.bus_address = optarg;
        else if (option == 'd')
            options->workload.direct_address = optarg;
        else if (option == 'f')
            options->workload.folder = optarg;
        else
            return -EINVAL;
    }
    return options->workload.users && options->workload.clients ? 0 : -EINVAL;
}

int main(int argc, char **argv)
{
    struct options options = {
        .workload = { .bus_address = "unix:path=/run/dbus/system_bus_socket",
                      .direct_address = DIRECT_SOCKET_ADDRESS,
                      .users = 1,
                      .clients = 1 },
        .calls = 1000,
        .seconds = 1,
    };
    int r = options_parse(argc, argv, &options);

    signal(SIGPIPE, SIG_IGN);
    if (r < 0 || optind >= argc)
        return usage();
    for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++)
        if (!strcmp(argv[optind], verbs[i].name)) {
            r = verbs[i].run(&options, argc - optind - 1, argv + optind + 1);
            if (r < 0)
                fprintf(stderr, "measure: cannot run %s: %s\n", verbs[i].name, strerror(-r));
            return r < 0;
        }
    return usage();
}

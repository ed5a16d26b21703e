/*
 * The yardstick of the benchmarks: what a small C program needs for what the shim host does.
 *
 *   daemon-peer client                      asks daemons for their features
 *   daemon-peer daemon COMMAND ARGUMENT...  starts and stops daemons; asks through a client of its own
 *
 * Both read one request per line from standard input, answer it with one line, and end when the input does. Times are
 * CLOCK_MONOTONIC in nanoseconds, which is also Node's process.hrtime.bigint().
 *
 *   client: SOCKET             ->  time of the daemon's first vhost-user answer
 *   daemon: cold SOCKET OUTPUT ->  time before the bind, after the spawn, of the answer
 *   daemon: stop SOCKET OUTPUT ->  time before the signal, when process and socket are gone
 *
 * An answer that begins with "error" says what failed. No daemon outlives its request.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

/* How long a daemon runs before it is stopped: long enough to wait for its client. */
#define SETTLE_US 20000
#define ANSWER_TIMEOUT_S 10

static uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void fail(const char *what) {
    printf("error: %s: %s\n", what, strerror(errno));
    fflush(stdout);
}

static int address_of(const char *path, struct sockaddr_un *address) {
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    if (strlen(path) >= sizeof address->sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    strcpy(address->sun_path, path);
    return 0;
}

/* Returns the time of the answer to VHOST_USER_GET_FEATURES, or 0. */
static uint64_t ask_features(const char *path) {
    struct sockaddr_un address;
    const struct timeval timeout = {.tv_sec = ANSWER_TIMEOUT_S};
    const uint32_t request[3] = {1, 1, 0}; /* GET_FEATURES, version 1, no payload */
    char answer[20];                       /* a header and a u64 */
    size_t have = 0;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return 0;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    if (address_of(path, &address) == 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
        write(fd, request, sizeof request) == sizeof request) {
        while (have < sizeof answer) {
            ssize_t got = read(fd, answer + have, sizeof answer - have);
            if (got < 0) break;
            if (got == 0) {
                errno = ECONNRESET;
                break;
            }
            have += (size_t)got;
        }
    }
    uint64_t time = have == sizeof answer ? now() : 0;
    int error = errno;
    close(fd);
    errno = error;
    return time;
}

static int run_client(void) {
    char line[512];
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = 0;
        uint64_t time = ask_features(line);
        if (time == 0) fail("no answer");
        else printf("%llu\n", (unsigned long long)time);
        fflush(stdout);
    }
    return 0;
}

/* A client in a process of its own, told the path through a pipe: as the host's client is. */
static FILE *to_client, *from_client;

static int start_client(void) {
    int requests[2], answers[2];
    if (pipe2(requests, O_CLOEXEC) || pipe2(answers, O_CLOEXEC)) return -1;
    pid_t pid = fork();
    if (pid < 0) return -1;
    if (pid == 0) {
        dup2(requests[0], 0);
        dup2(answers[1], 1);
        close(requests[1]);
        close(answers[0]);
        _exit(run_client());
    }
    close(requests[0]);
    close(answers[1]);
    to_client = fdopen(requests[1], "w");
    from_client = fdopen(answers[0], "r");
    return to_client && from_client ? 0 : -1;
}

/* Binds, listens and spawns, with the socket as standard input and the output going to a file. */
static pid_t start_daemon(char **command, const char *path, const char *output) {
    struct sockaddr_un address;
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    pid_t pid = -1;
    if (address_of(path, &address)) return -1;
    int log = open(output, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (log < 0 || fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, 16)) return -1;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fd, 0);
    posix_spawn_file_actions_adddup2(&actions, log, 1);
    posix_spawn_file_actions_adddup2(&actions, log, 2);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
    errno = posix_spawn(&pid, command[0], &actions, &attributes, command, environ);
    if (errno) pid = -1;
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    close(fd);
    close(log);
    return pid;
}

static void measure_cold(char **command, const char *path, const char *output) {
    char answer[512] = "";
    uint64_t start = now();
    pid_t pid = start_daemon(command, path, output);
    if (pid < 0) {
        fail("cannot start");
        return;
    }
    fprintf(to_client, "%s\n", path);
    fflush(to_client);
    uint64_t spawned = now();
    if (!fgets(answer, sizeof answer, from_client) || strncmp(answer, "error", 5) == 0) {
        kill(pid, SIGKILL);
        fputs(*answer ? answer : "error: no client\n", stdout);
    } else {
        printf("%llu %llu %s", (unsigned long long)start, (unsigned long long)spawned, answer);
    }
    waitpid(pid, NULL, 0); /* its client has left, so it ends */
    unlink(path);
    fflush(stdout);
}

static void measure_stop(char **command, const char *path, const char *output) {
    pid_t pid = start_daemon(command, path, output);
    if (pid < 0) {
        fail("cannot start");
        return;
    }
    usleep(SETTLE_US);
    uint64_t start = now();
    kill(pid, SIGTERM);
    waitpid(pid, NULL, 0);
    unlink(path);
    printf("%llu %llu\n", (unsigned long long)start, (unsigned long long)now());
    fflush(stdout);
}

int main(int count, char **arguments) {
    char line[1024], verb[8], path[256], output[512];
    if (count == 2 && strcmp(arguments[1], "client") == 0) return run_client();
    if (count < 3 || strcmp(arguments[1], "daemon") != 0) {
        fputs("Usage: daemon-peer client | daemon-peer daemon COMMAND ARGUMENT...\n", stderr);
        return 2;
    }
    if (start_client() || chdir("/")) {
        perror("daemon-peer");
        return 1;
    }
    while (fgets(line, sizeof line, stdin)) {
        if (sscanf(line, "%7s %255s %511s", verb, path, output) != 3) return 2;
        if (strcmp(verb, "cold") == 0) measure_cold(arguments + 2, path, output);
        else measure_stop(arguments + 2, path, output);
    }
    fclose(to_client);
    wait(NULL);
    return 0;
}

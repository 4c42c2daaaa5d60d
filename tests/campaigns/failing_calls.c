/* Preloaded: has one call of the system fail, on files of a folder.

   FAIL_FOLDER: the folder, with a slash at its end; nothing happens without it.
   FAIL_CALL:   a letter: r read, w write, s short write (half of it is written, as the system may), y fsync, m rename.
   FAIL_AT:     which of these calls, from 0; FAIL_ON=1: and all that follow.
   FAIL_ERROR:  errno.
   FAIL_LOG:    a file that gets the letter of each call. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

static long seen[128];

static int inside(const char *path) {
    const char *folder = getenv("FAIL_FOLDER");
    return folder && path && !strncmp(path, folder, strlen(folder)) && !strstr(path, ".lock");
}

static int inside_fd(int fd) {
    char link[64], path[PATH_MAX + 1];
    if (!getenv("FAIL_FOLDER")) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = syscall(SYS_readlinkat, AT_FDCWD, link, path, PATH_MAX);
    if (size <= 0) return 0;
    path[size] = 0;
    return inside(path);
}

/* Whether this call is the one, or one after it. */
static int chosen(char call) {
    const char *which = getenv("FAIL_CALL"), *at = getenv("FAIL_AT"), *on = getenv("FAIL_ON"), *log = getenv("FAIL_LOG");
    if (log) {
        int file = syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND, 0600);
        if (file >= 0) {
            syscall(SYS_write, file, &call, 1);
            syscall(SYS_close, file);
        }
    }
    if (!which || !at || (*which == 's' ? 'w' : *which) != call) return 0;
    long number = __sync_fetch_and_add(&seen[(int)call], 1), first = atol(at);
    return number == first || (number > first && on && *on == '1');
}

static int fails(void) {
    const char *error = getenv("FAIL_ERROR");
    errno = error ? atoi(error) : EIO;
    return -1;
}

ssize_t read(int fd, void *data, size_t size) {
    static ssize_t (*real)(int, void *, size_t);
    if (!real) real = dlsym(RTLD_NEXT, "read");
    return inside_fd(fd) && chosen('r') ? fails() : real(fd, data, size);
}

static ssize_t written(int fd, const void *data, size_t size, ssize_t (*real)(int, const void *, size_t)) {
    if (inside_fd(fd) && chosen('w')) {
        if (*getenv("FAIL_CALL") != 's') return fails();
        size = size > 1 ? size / 2 : size;
    }
    return real(fd, data, size);
}

ssize_t write(int fd, const void *data, size_t size) {
    static ssize_t (*real)(int, const void *, size_t);
    if (!real) real = dlsym(RTLD_NEXT, "write");
    return written(fd, data, size, real);
}

int fsync(int fd) {
    static int (*real)(int);
    if (!real) real = dlsym(RTLD_NEXT, "fsync");
    return inside_fd(fd) && chosen('y') ? fails() : real(fd);
}

int rename(const char *from, const char *to) {
    static int (*real)(const char *, const char *);
    if (!real) real = dlsym(RTLD_NEXT, "rename");
    return (inside(from) || inside(to)) && chosen('m') ? fails() : real(from, to);
}

/* A disk that is full for a while: as long as the file $FULL_DISK_FLAG exists, every write to a file
   below $FULL_DISK_FOLDER fails with ENOSPC. Preloaded into a process by a test, so that no test
   needs to mount anything. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

static int is_full(int fd)
{
    int before = errno, full = 0;
    const char *flag = getenv("FULL_DISK_FLAG"), *folder = getenv("FULL_DISK_FOLDER");
    if (flag && folder && access(flag, F_OK) == 0) {
        char link[64], path[PATH_MAX];
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        ssize_t length = readlink(link, path, sizeof path - 1);
        size_t prefix = strlen(folder);
        full = length > (ssize_t)prefix && strncmp(path, folder, prefix) == 0 && path[prefix] == '/';
    }
    errno = full ? ENOSPC : before;
    return full;
}

#define REFUSE_WHILE_FULL(name, parameters, arguments)                  \
    ssize_t name parameters                                             \
    {                                                                   \
        static ssize_t(*real) parameters;                               \
        if (!real)                                                      \
            real = (ssize_t(*) parameters)dlsym(RTLD_NEXT, #name);      \
        return is_full(fd) ? -1 : real arguments;                       \
    }

REFUSE_WHILE_FULL(write, (int fd, const void *bytes, size_t size), (fd, bytes, size))
REFUSE_WHILE_FULL(writev, (int fd, const struct iovec *parts, int count), (fd, parts, count))
REFUSE_WHILE_FULL(pwrite, (int fd, const void *bytes, size_t size, off_t at), (fd, bytes, size, at))
REFUSE_WHILE_FULL(pwrite64, (int fd, const void *bytes, size_t size, off64_t at),
                  (fd, bytes, size, at))

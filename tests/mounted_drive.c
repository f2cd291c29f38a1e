/* What a mounted Google Drive lacks, for the test mounted_drive.py: loaded before the C library, it
   refuses, for paths below $DRIVE, locks, links, changes of mode and writable shared maps, and shows
   times in whole seconds. Each refusal is a line of the file $DRIVE_REFUSED. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define REAL(name) __typeof__(&name) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

static int below_drive(const char *path) {
    const char *drive = getenv("DRIVE");
    size_t length = drive ? strlen(drive) : 0;
    return length && !strncmp(path, drive, length) && (path[length] == '/' || !path[length]);
}

static void path_of_open(int fd, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX);
    path[length < 0 ? 0 : length] = 0;
}

static int file_on_drive(int fd) {
    char path[PATH_MAX + 1];
    path_of_open(fd, path);
    return below_drive(path);
}

static int on_drive(int folder, const char *name) {
    char path[2 * PATH_MAX + 2];
    if (name[0] == '/')
        return below_drive(name);
    if (folder != AT_FDCWD)
        path_of_open(folder, path);
    else if (!getcwd(path, PATH_MAX))
        return 0;
    strcat(strcat(path, "/"), name);
    return below_drive(path);
}

static int refused(const char *call, int error) {
    const char *list = getenv("DRIVE_REFUSED");
    int fd = list ? open(list, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666) : -1;
    if (fd >= 0) {
        dprintf(fd, "%s\n", call);
        close(fd);
    }
    errno = error;
    return -1;
}

int flock(int fd, int operation) {
    REAL(flock);
    return file_on_drive(fd) ? refused("flock", EOPNOTSUPP) : real(fd, operation);
}

static int locks(int command) {
    return command == F_SETLK || command == F_SETLKW || command == F_OFD_SETLK || command == F_OFD_SETLKW;
}

#define FCNTL(name)                                                                 \
    int name(int fd, int command, ...) {                                            \
        REAL(name);                                                                 \
        va_list rest;                                                               \
        va_start(rest, command);                                                    \
        void *argument = va_arg(rest, void *);                                      \
        va_end(rest);                                                               \
        if (locks(command) && file_on_drive(fd)) return refused("lock", ENOLCK);    \
        return real(fd, command, argument);                                         \
    }
FCNTL(fcntl)
FCNTL(fcntl64)

int symlinkat(const char *target, int folder, const char *path) {
    REAL(symlinkat);
    return on_drive(folder, path) ? refused("symlink", EOPNOTSUPP) : real(target, folder, path);
}

int symlink(const char *target, const char *path) { return symlinkat(target, AT_FDCWD, path); }

int linkat(int from, const char *old, int to, const char *new, int flags) {
    REAL(linkat);
    return on_drive(to, new) ? refused("link", EOPNOTSUPP) : real(from, old, to, new, flags);
}

int link(const char *old, const char *new) { return linkat(AT_FDCWD, old, AT_FDCWD, new, 0); }

int fchmodat(int folder, const char *path, mode_t mode, int flags) {
    REAL(fchmodat);
    return on_drive(folder, path) ? refused("chmod", EPERM) : real(folder, path, mode, flags);
}

int chmod(const char *path, mode_t mode) { return fchmodat(AT_FDCWD, path, mode, 0); }

int fchmod(int fd, mode_t mode) {
    REAL(fchmod);
    return file_on_drive(fd) ? refused("chmod", EPERM) : real(fd, mode);
}

#define MMAP(name, offset_type)                                                                   \
    void *name(void *where, size_t size, int access, int flags, int fd, offset_type offset) {      \
        REAL(name);                                                                               \
        if (fd >= 0 && (flags & MAP_SHARED) && (access & PROT_WRITE) && file_on_drive(fd)) {       \
            refused("writable map", ENODEV);                                                      \
            return MAP_FAILED;                                                                    \
        }                                                                                         \
        return real(where, size, access, flags, fd, offset);                                      \
    }
MMAP(mmap, off_t)
MMAP(mmap64, off64_t)

#define STAT(name, status_type, decide, parameters, arguments)                                    \
    int name parameters {                                                                         \
        REAL(name);                                                                               \
        int result = real arguments;                                                              \
        if (!result && decide) {                                                                  \
            status->st_mtim.tv_nsec = status->st_ctim.tv_nsec = status->st_atim.tv_nsec = 0;      \
        }                                                                                         \
        return result;                                                                            \
    }
#define STATS(suffix)                                                                             \
    STAT(stat##suffix, struct stat##suffix, on_drive(AT_FDCWD, path),                              \
         (const char *path, struct stat##suffix *status), (path, status))                         \
    STAT(lstat##suffix, struct stat##suffix, on_drive(AT_FDCWD, path),                             \
         (const char *path, struct stat##suffix *status), (path, status))                         \
    STAT(fstat##suffix, struct stat##suffix, file_on_drive(fd),                                    \
         (int fd, struct stat##suffix *status), (fd, status))                                     \
    STAT(fstatat##suffix, struct stat##suffix, on_drive(folder, path),                             \
         (int folder, const char *path, struct stat##suffix *status, int flags),                  \
         (folder, path, status, flags))
STATS()
STATS(64)

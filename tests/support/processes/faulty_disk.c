/* A disk that fails, put between a replica and the C library by LD_PRELOAD.
 *
 * FAIL_SYNC=k      the k-th fdatasync fails, and what its file was given since the one before is lost, as
 *                  it may be when the power goes.
 * FULL_WHILE=path  while the path exists, nothing more can be written.
 * SLOW_WHILE=path  while the path exists, every fdatasync takes a quarter of a second longer.
 *
 * Only one thread of a replica writes to files at a time, so nothing here is locked.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

#define WRITES_MAX 65536

static struct { int fd; off_t at; size_t count; } writes[WRITES_MAX];
static int unsynced;
static long syncs;

typedef ssize_t pwrite_t(int, const void *, size_t, off_t);
typedef int fdatasync_t(int);

static pwrite_t *real_pwrite(void) { return (pwrite_t *)dlsym(RTLD_NEXT, "pwrite64"); }

ssize_t pwrite64(int fd, const void *bytes, size_t count, off_t at)
{
    const char *full = getenv("FULL_WHILE");
    if (full && access(full, F_OK) == 0) {
        errno = ENOSPC;
        return -1;
    }
    if (unsynced == WRITES_MAX)
        abort();
    writes[unsynced].fd = fd;
    writes[unsynced].at = at;
    writes[unsynced++].count = count;
    return real_pwrite()(fd, bytes, count, at);
}

int fdatasync(int fd)
{
    static const char zeros[4096];
    const char *slow = getenv("SLOW_WHILE");
    if (slow && access(slow, F_OK) == 0)
        usleep(250000);
    const char *fail = getenv("FAIL_SYNC");
    int fails = fail && ++syncs == atol(fail);
    int left = 0;
    for (int i = 0; i < unsynced; i++) {
        if (writes[i].fd != fd)
            writes[left++] = writes[i];
        else if (fails)
            for (size_t done = 0; done < writes[i].count; done += sizeof zeros) {
                size_t rest = writes[i].count - done;
                size_t piece = rest < sizeof zeros ? rest : sizeof zeros;
                if (real_pwrite()(fd, zeros, piece, writes[i].at + (off_t)done) < 0)
                    abort();
            }
    }
    unsynced = left;
    if (fails) {
        errno = EIO;
        return -1;
    }
    return ((fdatasync_t *)dlsym(RTLD_NEXT, "fdatasync"))(fd);
}

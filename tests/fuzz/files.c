/* files.c: open() of the code under test, answered from memory. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"

static struct fuzz_in file, included;
static int opens;

int __wrap_open(const char *path, int flags, ...);

static int serve(struct fuzz_in bytes)
{
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    FUZZ_CHECK(fd >= 0, "memfd_create: errno %d", errno);
    ssize_t n = write(fd, bytes.ptr, bytes.len);
    FUZZ_CHECK(n >= 0 && (size_t) n == bytes.len, "write: errno %d", errno);
    FUZZ_CHECK(lseek(fd, 0, SEEK_SET) == 0, "lseek: errno %d", errno);
    return fd;
}

int __wrap_open(const char *path, int flags, ...)
{
    (void) flags;
    opens++;
    if (opens <= FUZZ_OPENS_MAX && strcmp(path, FUZZ_FILE) == 0) {
        return serve(file);
    }
    if (opens <= FUZZ_OPENS_MAX && strcmp(path, FUZZ_INCLUDED) == 0) {
        return serve(included);
    }
    errno = ENOENT;
    return -1;
}

void fuzz_files_set(const uint8_t *data, size_t len)
{
    const uint8_t *cut = len == 0 ? NULL : memchr(data, 0xff, len);
    size_t first = cut == NULL ? len : (size_t) (cut - data);
    file = (struct fuzz_in){ data, first };
    included =
        cut == NULL ? (struct fuzz_in){ data, 0 } : (struct fuzz_in){ cut + 1, len - first - 1 };
    opens = 0;
}

struct fuzz_in fuzz_files_first(void)
{
    opens++;
    return file;
}

#include "base/open_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/quote.h"

static _Atomic bool files_only; /* atomic, relaxed */

void nj_open_files_only(void)
{
    atomic_store_explicit(&files_only, true, memory_order_relaxed);
}

int nj_open_to_read(const char *path, char *why, size_t cap)
{
    bool only = atomic_load_explicit(&files_only, memory_order_relaxed);
    struct stat st = { 0 };
    /* O_NONBLOCK: else a pipe that nobody writes to would be waited for here. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | (only ? O_NONBLOCK : 0));
    if (fd < 0) {
        (void) nj_errno_text(errno, why, cap);
        return -1;
    }
    /* A directory is left to read(2), which has the better words. */
    if (only && (fstat(fd, &st) < 0 || (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)))) {
        (void) snprintf(why, cap, "not a file that can be read again");
        (void) close(fd);
        return -1;
    }
    return fd;
}

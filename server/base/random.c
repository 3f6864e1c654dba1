#include "base/random.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

static int (*other_source)(uint8_t *out, size_t len); /* immutable after start */

void nj_random_use(int (*source)(uint8_t *out, size_t len))
{
    other_source = source;
}

void nj_seed(void *out, size_t len)
{
    unsigned char *p = out;
    while (len > 0) {
        ssize_t n = getrandom(p, len, 0);
        if (n < 0) {
            if (errno == EINTR) {
                continue;
            }
            perror("natterjack: getrandom");
            abort();
        }
        p += n;
        len -= (size_t) n;
    }
}

void nj_random(void *out, size_t len)
{
    if (other_source == NULL) {
        nj_seed(out, len);
    } else if (other_source(out, len) != 0) {
        (void) fputs("natterjack: the FIPS module gave no random bytes\n", stderr);
        abort();
    }
}

#include "io/inbox.h"

#include <errno.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/yield.h"
#include "natterjack/plugin.h"

int nj_inbox_init(struct nj_inbox *in)
{
    atomic_init(&in->head, NULL);
    atomic_init(&in->asleep, 0);
    in->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return in->event_fd < 0 ? NJ_E_IO : NJ_OK;
}

void nj_inbox_fini(struct nj_inbox *in)
{
    if (in->event_fd >= 0) {
        (void) close(in->event_fd);
        in->event_fd = -1;
    }
}

void nj_inbox_put(struct nj_inbox *in, struct nj_item *item)
{
    struct nj_item *head = atomic_load_explicit(&in->head, memory_order_relaxed);
    do {
        item->next = head;
        NJ_YIELD();
    } while (!atomic_compare_exchange_weak(&in->head, &head, item));
}

void nj_inbox_ring(struct nj_inbox *in)
{
    NJ_YIELD();
    if (atomic_load(&in->asleep) != 0 && atomic_exchange(&in->asleep, 0) != 0) {
        uint64_t one = 1;
        ssize_t n;
        do {
            n = write(in->event_fd, &one, sizeof(one));
        } while (n < 0 && errno == EINTR);
    }
}

void nj_inbox_push(struct nj_inbox *in, struct nj_item *item)
{
    nj_inbox_put(in, item);
    nj_inbox_ring(in);
}

struct nj_item *nj_inbox_take(struct nj_inbox *in)
{
    struct nj_item *newest = atomic_exchange(&in->head, NULL);
    struct nj_item *oldest = NULL;
    while (newest != NULL) {
        struct nj_item *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    return oldest;
}

bool nj_inbox_sleep(struct nj_inbox *in)
{
    atomic_store(&in->asleep, 1);
    return atomic_load(&in->head) == NULL;
}

void nj_inbox_awake(struct nj_inbox *in)
{
    atomic_store(&in->asleep, 0);
}

/* Not in nj_inbox_awake(): who took `asleep` away may ring only after that, and a bell that nobody
 * quiets makes every poll return at once. */
void nj_inbox_quiet(struct nj_inbox *in)
{
    uint64_t n;
    (void) !read(in->event_fd, &n, sizeof(n));
}

#include "io/outbox.h"

#include <stdbool.h>
#include <string.h>

#include "base/alloc.h"
#include "base/trim.h"

#define KEEP_BIG 512   /* 8 MiB */
#define KEEP_MIDDLE 1024
#define KEEP_SMALL 4096
#define KEEP_REF 4096

void nj_pool_init(struct nj_pool *pool)
{
    *pool = (struct nj_pool){ 0 };
}

static void free_list(struct nj_piece *p)
{
    while (p != NULL) {
        struct nj_piece *next = p->next;
        nj_dealloc(p);
        p = next;
    }
}

void nj_pool_fini(struct nj_pool *pool)
{
    free_list(pool->big);
    free_list(pool->middle);
    free_list(pool->small);
    free_list(pool->ref);
    nj_pool_init(pool);
}

static struct nj_piece *take(struct nj_piece **list, uint32_t *n, uint32_t cap)
{
    struct nj_piece *p = *list;
    if (p != NULL) {
        *list = p->next;
        (*n)--;
    } else {
        p = nj_alloc(sizeof(*p) + cap);
        p->cap = cap;
    }
    p->next = NULL;
    p->ref = NULL;
    p->ptr = p->room;
    p->start = 0;
    p->end = 0;
    return p;
}

static void keep(struct nj_piece **list, uint32_t *n, uint32_t most, struct nj_piece *p)
{
    if (*n < most) {
        p->next = *list;
        *list = p;
        (*n)++;
    } else {
        nj_dealloc(p);
    }
}

static void give_back(struct nj_pool *pool, struct nj_piece *p)
{
    if (p->cap == 0) {
        nj_payload_unref(p->ref);
        keep(&pool->ref, &pool->ref_n, KEEP_REF, p);
    } else if (p->cap == NJ_PIECE_SMALL) {
        keep(&pool->small, &pool->small_n, KEEP_SMALL, p);
    } else if (p->cap == NJ_PIECE_MIDDLE) {
        keep(&pool->middle, &pool->middle_n, KEEP_MIDDLE, p);
    } else {
        keep(&pool->big, &pool->big_n, KEEP_BIG, p);
    }
}

static void link_last(struct nj_outbox *ob, struct nj_piece *p)
{
    if (ob->last != NULL) {
        ob->last->next = p;
    } else {
        ob->first = p;
    }
    ob->last = p;
}

/* A reference has no room of its own. */
static size_t room_left(const struct nj_piece *p)
{
    return p == NULL || p->cap == 0 ? 0 : p->cap - p->end;
}

/* A piece to write into.  Not a large one first: most answers are short, and headers between references
 * are too. */
static struct nj_piece *add_room(struct nj_outbox *ob, struct nj_pool *pool, size_t n)
{
    bool first = ob->last == NULL || ob->last->cap == 0;
    struct nj_piece *p;
    if (first && n <= NJ_PIECE_SMALL) {
        p = take(&pool->small, &pool->small_n, NJ_PIECE_SMALL);
    } else if (first && n <= NJ_PIECE_MIDDLE) {
        p = take(&pool->middle, &pool->middle_n, NJ_PIECE_MIDDLE);
    } else {
        p = take(&pool->big, &pool->big_n, NJ_PIECE_BIG);
    }
    link_last(ob, p);
    return p;
}

uint8_t *nj_outbox_reserve(struct nj_outbox *ob, struct nj_pool *pool, size_t n)
{
    struct nj_piece *p = ob->last;
    if (room_left(p) < n) {
        p = add_room(ob, pool, n);
    }
    return p->room + p->end;
}

void nj_outbox_commit(struct nj_outbox *ob, size_t n)
{
    ob->last->end += (uint32_t) n;
    ob->len += n;
}

void nj_outbox_append(struct nj_outbox *ob, struct nj_pool *pool, const void *bytes, size_t len)
{
    const uint8_t *from = bytes;
    ob->len += len;
    while (len > 0) {
        struct nj_piece *p = ob->last;
        if (room_left(p) == 0) {
            p = add_room(ob, pool, len);
        }
        size_t n = room_left(p) < len ? room_left(p) : len;
        memcpy(p->room + p->end, from, n);
        p->end += (uint32_t) n;
        from += n;
        len -= n;
    }
}

void nj_outbox_append_ref(struct nj_outbox *ob, struct nj_pool *pool, struct nj_payload *payload,
                          size_t off, size_t len)
{
    struct nj_piece *p = take(&pool->ref, &pool->ref_n, 0);
    nj_payload_ref(payload);
    p->ref = payload;
    p->ptr = payload->bytes;
    p->start = (uint32_t) off;
    p->end = (uint32_t) (off + len);
    link_last(ob, p);
    ob->len += len;
}

int nj_outbox_iov(const struct nj_outbox *ob, struct iovec *iov, int max, size_t *bytes_out)
{
    int n = 0;
    size_t bytes = 0;
    for (const struct nj_piece *p = ob->first; p != NULL && n < max; p = p->next) {
        if (p->end > p->start) {
            iov[n].iov_base = (void *) (uintptr_t) (p->ptr + p->start);
            iov[n].iov_len = p->end - p->start;
            bytes += iov[n].iov_len;
            n++;
        }
    }
    *bytes_out = bytes;
    return n;
}

size_t nj_outbox_pieces(const struct nj_outbox *ob)
{
    size_t n = 0;
    for (const struct nj_piece *p = ob->first; p != NULL; p = p->next) {
        n++;
    }
    return n;
}

void nj_outbox_consume(struct nj_outbox *ob, struct nj_pool *pool, size_t n)
{
    ob->len -= n;
    while (ob->first != NULL) {
        struct nj_piece *p = ob->first;
        size_t have = p->end - p->start;
        if (n < have) {
            p->start += (uint32_t) n;
            return;
        }
        n -= have;
        ob->first = p->next;
        if (ob->first == NULL) {
            ob->last = NULL;
        }
        give_back(pool, p);
    }
}

void nj_outbox_clear(struct nj_outbox *ob, struct nj_pool *pool)
{
    nj_trim_note(ob->len);
    nj_outbox_consume(ob, pool, ob->len);
}

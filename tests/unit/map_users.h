/* map_users.h: a handful of users for nj_map_user(), for unit tests and the fuzz target. */
#ifndef NJ_TEST_MAP_USERS_H
#define NJ_TEST_MAP_USERS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#include "tls/der.h"

#define MAP_USERS_MOST 16

struct map_user {
    struct nj_span name; /* borrowed */
    bool may;
};

static struct map_user map_users[MAP_USERS_MOST];
static size_t map_users_n;

/* For struct nj_map_ask; an empty name is never asked for. */
static inline const void *map_find_user(void *arg, struct nj_span name)
{
    (void) arg;
    if (name.len == 0) {
        abort();
    }
    for (size_t i = 0; i < map_users_n; i++) {
        if (nj_span_equal(map_users[i].name, name)) {
            return &map_users[i];
        }
    }
    return NULL;
}

static inline bool map_user_may(void *arg, const void *user)
{
    (void) arg;
    return ((const struct map_user *) user)->may;
}

static inline struct nj_span map_user_name(void *arg, const void *user)
{
    (void) arg;
    return ((const struct map_user *) user)->name;
}

#endif

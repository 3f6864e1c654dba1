#include "conf/tree.h"

#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "natterjack/plugin.h"

/*
 * All memory of a tree hangs on one list of blocks and dies together: values are shared freely
 * inside it (a variable that names a map takes the map itself).
 */
struct block {
    struct block *next;
    size_t len;
    size_t used;
    char bytes[];
};

#define BLOCK_LEN 16384
#define INDEX_FROM 16 /* members from which on a map is searched through a hash table */

struct nj_tree_map {
    struct nj_conf_map pub; /* first: a pointer to it is a pointer to the whole */
    struct nj_conf *conf;
    size_t cap;
    uint32_t *slots; /* number of the member + 1, 0 empty; NULL while small */
    size_t slots_n;  /* a power of two, at least twice the members */
    unsigned height; /* of the highest member */
};

struct nj_tree_list {
    struct nj_conf_list pub; /* first */
    struct nj_conf *conf;
    size_t cap;
    unsigned height;
};

struct nj_conf {
    struct block *blocks; /* the first one is being filled */
    struct nj_conf_value root;
};

/* ---- memory --------------------------------------------------------------------------------- */

static void add_block(struct nj_conf *conf, size_t len)
{
    struct block *b = nj_zalloc(sizeof(*b) + len);
    b->len = len;
    b->next = conf->blocks;
    conf->blocks = b;
}

static void *take(struct nj_conf *conf, size_t len)
{
    size_t need = (len + 15) & ~(size_t) 15;
    if (conf->blocks == NULL || conf->blocks->len - conf->blocks->used < need) {
        add_block(conf, need > BLOCK_LEN ? need : BLOCK_LEN);
    }
    void *p = conf->blocks->bytes + conf->blocks->used;
    conf->blocks->used += need;
    return p;
}

/* A longer copy; the old room is left to the tree. */
static void *grow(struct nj_conf *conf, const void *old, size_t old_len, size_t len)
{
    void *p = take(conf, len);
    if (old_len > 0) {
        memcpy(p, old, old_len);
    }
    return p;
}

const char *nj_tree_text(struct nj_conf *conf, const char *s, size_t len)
{
    char *copy = take(conf, len + 1);
    if (len > 0) {
        memcpy(copy, s, len);
    }
    copy[len] = '\0';
    return copy;
}

struct nj_conf *nj_tree_new(void)
{
    struct nj_conf *conf = nj_zalloc(sizeof(*conf));
    struct nj_tree_map *m = nj_tree_map_new(conf);
    conf->root = nj_tree_map_value(m);
    return conf;
}

void nj_conf_free(struct nj_conf **confp)
{
    struct nj_conf *conf = *confp;
    if (conf == NULL) {
        return;
    }
    *confp = NULL;
    while (conf->blocks != NULL) {
        struct block *b = conf->blocks;
        conf->blocks = b->next;
        nj_wipe(b->bytes, b->len); /* may have held passwords */
        nj_dealloc(b);
    }
    nj_dealloc(conf);
}

void nj_tree_absorb(struct nj_conf *to, struct nj_conf **from)
{
    struct block **tail = &to->blocks;
    while (*tail != NULL) {
        tail = &(*tail)->next;
    }
    *tail = (*from)->blocks;
    (*from)->blocks = NULL;
    nj_conf_free(from);
}

struct nj_conf_value *nj_tree_root(struct nj_conf *conf)
{
    return &conf->root;
}

const struct nj_conf_value *nj_conf_root(const struct nj_conf *conf)
{
    return &conf->root;
}

/* ---- maps ----------------------------------------------------------------------------------- */

struct nj_tree_map *nj_tree_map_new(struct nj_conf *conf)
{
    struct nj_tree_map *m = take(conf, sizeof(*m));
    *m = (struct nj_tree_map){ .conf = conf };
    return m;
}

/* FNV-1a: the file is the owner's own, nobody else chooses keys. */
static size_t hash_key(const char *key, size_t len)
{
    uint64_t h = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < len; i++) {
        h = (h ^ (unsigned char) key[i]) * UINT64_C(1099511628211);
    }
    return (size_t) (h ^ h >> 32);
}

static bool same_key(const struct nj_conf_member *mem, const char *key, size_t len)
{
    return mem->key_len == len && memcmp(mem->key, key, len) == 0;
}

/* The slot of the key, or the empty one where it belongs. */
static size_t find_slot(const struct nj_tree_map *m, const char *key, size_t len)
{
    size_t at = hash_key(key, len) & (m->slots_n - 1);
    while (m->slots[at] != 0 && !same_key(&m->pub.members[m->slots[at] - 1], key, len)) {
        at = (at + 1) & (m->slots_n - 1);
    }
    return at;
}

static void build_index(struct nj_tree_map *m)
{
    m->slots_n = 4 * INDEX_FROM;
    while (m->slots_n < 4 * m->pub.count) {
        m->slots_n *= 2;
    }
    m->slots = take(m->conf, m->slots_n * sizeof(*m->slots));
    memset(m->slots, 0, m->slots_n * sizeof(*m->slots));
    for (size_t i = 0; i < m->pub.count; i++) {
        m->slots[find_slot(m, m->pub.members[i].key, m->pub.members[i].key_len)] = (uint32_t) i + 1;
    }
}

static struct nj_conf_member *find_member(const struct nj_tree_map *m, const char *key, size_t len)
{
    if (m->slots != NULL) {
        uint32_t found = m->slots[find_slot(m, key, len)];
        return found == 0 ? NULL : &m->pub.members[found - 1];
    }
    for (size_t i = 0; i < m->pub.count; i++) {
        if (same_key(&m->pub.members[i], key, len)) {
            return &m->pub.members[i];
        }
    }
    return NULL;
}

static struct nj_conf_member *add_member(struct nj_tree_map *m, const char *key, size_t len)
{
    if (m->pub.count == m->cap) {
        size_t cap = m->cap == 0 ? 4 : m->cap * 2;
        m->pub.members = grow(m->conf, m->pub.members, m->cap * sizeof(*m->pub.members),
                              cap * sizeof(*m->pub.members));
        m->cap = cap;
    }
    struct nj_conf_member *mem = &m->pub.members[m->pub.count++];
    mem->key = nj_tree_text(m->conf, key, len);
    mem->key_len = len;
    if (m->pub.count >= INDEX_FROM && (m->slots == NULL || m->pub.count * 2 > m->slots_n)) {
        build_index(m);
    } else if (m->slots != NULL) {
        m->slots[find_slot(m, key, len)] = (uint32_t) m->pub.count;
    }
    return mem;
}

void nj_tree_map_put(struct nj_tree_map *m, const char *key, size_t key_len,
                     const struct nj_conf_value *v)
{
    struct nj_conf_member *mem = find_member(m, key, key_len);
    if (mem == NULL) {
        mem = add_member(m, key, key_len);
    }
    mem->value = *v;
    unsigned h = nj_tree_height(v);
    m->height = h > m->height ? h : m->height;
}

struct nj_conf_value *nj_tree_map_get(struct nj_tree_map *m, const char *key, size_t key_len)
{
    struct nj_conf_member *mem = find_member(m, key, key_len);
    return mem == NULL ? NULL : &mem->value;
}

struct nj_conf_value nj_tree_map_value(struct nj_tree_map *m)
{
    return (struct nj_conf_value){ .type = NJ_CONF_MAP, .as.map = &m->pub };
}

const struct nj_conf_value *nj_conf_get(const struct nj_conf_map *map, const char *key)
{
    /* Every map of a tree was made here, so it is the first member of the larger struct. */
    const struct nj_tree_map *m = (const void *) map;
    const struct nj_conf_member *mem = find_member(m, key, strlen(key));
    return mem == NULL ? NULL : &mem->value;
}

/* ---- lists ---------------------------------------------------------------------------------- */

struct nj_tree_list *nj_tree_list_new(struct nj_conf *conf)
{
    struct nj_tree_list *l = take(conf, sizeof(*l));
    *l = (struct nj_tree_list){ .conf = conf };
    return l;
}

void nj_tree_list_add(struct nj_tree_list *l, const struct nj_conf_value *v)
{
    if (l->pub.count == l->cap) {
        size_t cap = l->cap == 0 ? 4 : l->cap * 2;
        l->pub.items = grow(l->conf, l->pub.items, l->cap * sizeof(*l->pub.items),
                            cap * sizeof(*l->pub.items));
        l->cap = cap;
    }
    l->pub.items[l->pub.count++] = *v;
    unsigned h = nj_tree_height(v);
    l->height = h > l->height ? h : l->height;
}

struct nj_conf_value nj_tree_list_value(struct nj_tree_list *l)
{
    return (struct nj_conf_value){ .type = NJ_CONF_LIST, .as.list = &l->pub };
}

unsigned nj_tree_height(const struct nj_conf_value *v)
{
    if (v->type == NJ_CONF_MAP) {
        return ((const struct nj_tree_map *) (const void *) v->as.map)->height + 1;
    }
    if (v->type == NJ_CONF_LIST) {
        return ((const struct nj_tree_list *) (const void *) v->as.list)->height + 1;
    }
    return 0;
}

#include "tests/abi/pair.h"

#include <dlfcn.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LOG_LINES_MAX 64
#define FILES_MAX 64
#define OPEN_BUF_LEN 16384

static _Noreturn void die(const char *fmt, ...) NJ_PRINTF(1, 2);
static _Noreturn void die(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    (void) fputs("abi kit: ", stderr);
    (void) vfprintf(stderr, fmt, ap);
    (void) fputc('\n', stderr);
    va_end(ap);
    exit(99);
}

/* ---- the host ------------------------------------------------------------------------------- */

static atomic_long live;
static atomic_long allocs;
static char log_lines[LOG_LINES_MAX][320];
static size_t log_n;
static int64_t fixed_now;

static void host_log(uint32_t level, const char *text)
{
    (void) level;
    if (log_n < LOG_LINES_MAX) {
        (void) snprintf(log_lines[log_n], sizeof(log_lines[log_n]), "%s", text);
    }
    log_n++;
}

static void *host_alloc(size_t len)
{
    void *p = calloc(1, len == 0 ? 1 : len);
    if (p == NULL) {
        die("out of memory");
    }
    atomic_fetch_add(&live, 1);
    atomic_fetch_add(&allocs, 1);
    return p;
}

static void host_dealloc(void *ptr)
{
    if (ptr != NULL) {
        atomic_fetch_sub(&live, 1);
        free(ptr);
    }
}

static void *host_resize(void *ptr, size_t old_len, size_t new_len)
{
    void *p = host_alloc(new_len);
    if (ptr != NULL) {
        memcpy(p, ptr, old_len < new_len ? old_len : new_len);
    }
    host_dealloc(ptr);
    return p;
}

static void host_wipe(void *ptr, size_t len)
{
    if (len > 0) {
        explicit_bzero(ptr, len);
    }
}

static int64_t host_now_s(void)
{
    return fixed_now != 0 ? fixed_now : (int64_t) time(NULL);
}

static const struct nj_host host = {
    .size = sizeof(struct nj_host),
    .abi_major = NJ_ABI_MAJOR,
    .abi_minor = NJ_ABI_MINOR,
    .server_version = "0.0.0-kit",
    .log = host_log,
    .alloc = host_alloc,
    .resize = host_resize,
    .dealloc = host_dealloc,
    .wipe = host_wipe,
    .now_s = host_now_s,
};

const struct nj_host *nj_kit_host(void)
{
    return &host;
}

long nj_kit_host_live(void)
{
    return atomic_load(&live);
}

long nj_kit_host_allocs(void)
{
    return atomic_load(&allocs);
}

int nj_kit_log_has(const char *part)
{
    for (size_t i = 0; i < log_n && i < LOG_LINES_MAX; i++) {
        if (strstr(log_lines[i], part) != NULL) {
            return 1;
        }
    }
    return 0;
}

size_t nj_kit_log_count(void)
{
    return log_n;
}

void nj_kit_log_clear(void)
{
    log_n = 0;
}

void nj_kit_clock_set(int64_t now_s)
{
    fixed_now = now_s;
}

/* ---- providers ------------------------------------------------------------------------------ */

int nj_kit_provider_use(struct nj_kit_provider *p, const char *label,
                        const struct nj_tls_provider *tls, struct nj_error *err)
{
    (void) snprintf(p->label, sizeof(p->label), "%s", label);
    p->tls = tls;
    p->loaded = 1;
    return tls->init(&host, err);
}

/* As the server does at load: what the kit calls without asking must be there. */
static int table_check(const struct nj_tls_provider *t, const char *path, struct nj_error *err)
{
    if (!NJ_FIELD(struct nj_tls_provider, t, crypto)) {
        return nj_error_set(err, NJ_E_ABI, "%s: its table has %u bytes, at least %zu are needed",
                            path, t->size, offsetof(struct nj_tls_provider, key_update));
    }
    if (t->init == NULL || t->fini == NULL || t->about == NULL || t->caps == NULL) {
        return nj_error_set(err, NJ_E_ABI, "%s: init, fini, about or caps is missing", path);
    }
    return NJ_OK;
}

static int descriptor_check(const struct nj_plugin *d, const char *path, struct nj_error *err)
{
    if (d == NULL) {
        return nj_error_set(err, NJ_E_ABI, "%s: " NJ_PLUGIN_DOOR " returned nothing", path);
    }
    if (d->magic != NJ_PLUGIN_MAGIC || !NJ_FIELD(struct nj_plugin, d, iface)) {
        return nj_error_set(err, NJ_E_ABI, "%s: magic 0x%08x, size %u; wanted 0x%08x and %zu", path,
                            d->magic, d->size, NJ_PLUGIN_MAGIC, sizeof(*d));
    }
    if (d->abi_major != NJ_ABI_MAJOR || d->abi_minor != NJ_ABI_MINOR) {
        return nj_error_set(err, NJ_E_ABI, "%s: built for plug-in ABI %u.%u, the kit has %d.%d",
                            path, d->abi_major, d->abi_minor, NJ_ABI_MAJOR, NJ_ABI_MINOR);
    }
    if (d->kind != NJ_PLUGIN_TLS || d->iface == NULL || d->name == NULL || d->version == NULL) {
        return nj_error_set(
            err, NJ_E_ABI, "%s: no TLS provider: kind %u, name %s, version %s, table %s", path,
            d->kind, d->name == NULL ? "missing" : d->name,
            d->version == NULL ? "missing" : d->version, d->iface == NULL ? "missing" : "there");
    }
    return table_check(d->iface, path, err);
}

int nj_kit_provider_load(struct nj_kit_provider *p, const char *label, const char *path,
                         struct nj_error *err)
{
    void *dl = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (dl == NULL) {
        return nj_error_set(err, NJ_E_NOT_FOUND, "%s", dlerror());
    }
    nj_plugin_door_fn door = NULL;
    void *symbol = dlsym(dl, NJ_PLUGIN_DOOR);
    if (symbol == NULL) {
        return nj_error_set(err, NJ_E_ABI, "%s: no %s", path, NJ_PLUGIN_DOOR);
    }
    memcpy(&door, &symbol, sizeof(door)); /* ISO C has no cast from object to function pointer */
    const struct nj_plugin *d = door();
    int rc = descriptor_check(d, path, err);
    if (rc < 0) {
        return rc;
    }
    p->plugin = d;
    struct nj_error why = NJ_ERROR_INIT;
    rc = nj_kit_provider_use(p, label == NULL ? d->name : label, d->iface, &why);
    if (rc < 0) {
        return nj_error_set(err, rc, "%s: its init failed: %s", path,
                            why.text[0] != '\0' ? why.text : "no reason given");
    }
    return rc;
}

void nj_kit_provider_fini(struct nj_kit_provider *p)
{
    if (p->loaded) {
        p->tls->fini();
        p->loaded = 0;
    }
}

static void load_or_die(struct nj_kit_provider *p, const char *label, const char *path)
{
    struct nj_error err = NJ_ERROR_INIT;
    if (nj_kit_provider_load(p, label, path, &err) < 0) {
        die("%s: %s", label, err.text);
    }
}

static size_t load_listed(const char *words, struct nj_kit_provider *list, size_t max)
{
    char *copy = strdup(words);
    char *rest = NULL;
    size_t n = 0;
    for (char *word = strtok_r(copy, " \n\t", &rest); word != NULL && n < max;
         word = strtok_r(NULL, " \n\t", &rest)) {
        char *eq = strchr(word, '=');
        if (eq == NULL) {
            die("NJ_ABI_PROVIDERS wants name=path, not \"%s\"", word);
        }
        *eq = '\0';
        load_or_die(&list[n++], word, eq + 1);
    }
    free(copy);
    return n;
}

static size_t load_built(const char *dir, struct nj_kit_provider *list, size_t max)
{
    static const char *const names[] = { "gnutls", "wolfssl" };
    char path[512];
    size_t n = 0;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && n < max; i++) {
        (void) snprintf(path, sizeof(path), "%s/nj_tls_%s.so", dir, names[i]);
        if (access(path, F_OK) == 0) {
            load_or_die(&list[n++], names[i], path);
        }
    }
    return n;
}

size_t nj_kit_providers_from_env(struct nj_kit_provider *list, size_t max)
{
    const char *listed = getenv("NJ_ABI_PROVIDERS");
    const char *built = getenv("NJ_TEST_PLUGIN_DIR");
    if (listed != NULL) {
        return load_listed(listed, list, max);
    }
    return built != NULL ? load_built(built, list, max) : 0;
}

/* ---- certificates --------------------------------------------------------------------------- */

static struct {
    char name[64];
    struct nj_span bytes;
} files[FILES_MAX];
static size_t files_n;
static const struct nj_kit_embedded *embedded; /* ends with a NULL name */

void nj_kit_files_use(const struct nj_kit_embedded *list)
{
    embedded = list;
}

static const struct nj_kit_embedded *file_embedded(const char *name)
{
    for (const struct nj_kit_embedded *f = embedded; f != NULL && f->name != NULL; f++) {
        if (strcmp(f->name, name) == 0) {
            return f;
        }
    }
    return NULL;
}

static struct nj_span file_read(const char *name)
{
    const struct nj_kit_embedded *inside = file_embedded(name);
    if (inside != NULL) {
        return inside->bytes;
    }
    const char *dir = getenv("NJ_ABI_CORPUS");
    const char *src = getenv("NJ_TEST_SRCDIR");
    char path[512];
    if (dir != NULL) {
        (void) snprintf(path, sizeof(path), "%s/%s", dir, name);
    } else {
        (void) snprintf(path, sizeof(path), "%s/tests/corpus/abi/%s", src == NULL ? "." : src,
                        name);
    }
    FILE *f = fopen(path, "rb");
    if (f == NULL) {
        die("%s: cannot be opened (set NJ_ABI_CORPUS)", path);
    }
    uint8_t *buf = malloc(8192);
    size_t len = buf == NULL ? 0 : fread(buf, 1, 8192, f);
    (void) fclose(f);
    return (struct nj_span){ buf, len };
}

struct nj_span nj_kit_file(const char *name)
{
    for (size_t i = 0; i < files_n; i++) {
        if (strcmp(files[i].name, name) == 0) {
            return files[i].bytes;
        }
    }
    if (files_n == FILES_MAX) {
        die("too many files");
    }
    (void) snprintf(files[files_n].name, sizeof(files[files_n].name), "%s", name);
    files[files_n].bytes = file_read(name);
    return files[files_n++].bytes;
}

void nj_kit_cred_load(struct nj_kit_cred *cred, const char *name, const char *issuer)
{
    char file[64];
    memset(cred, 0, sizeof(*cred));
    (void) snprintf(cred->label, sizeof(cred->label), "%s.crt", name);
    cred->certs[0] = nj_kit_file(cred->label);
    if (issuer != NULL) {
        (void) snprintf(file, sizeof(file), "%s.crt", issuer);
        cred->certs[1] = nj_kit_file(file);
    }
    (void) snprintf(file, sizeof(file), "%s.key", name);
    cred->key.size = sizeof(cred->key);
    cred->key.kind = NJ_TLS_KEY_DER;
    cred->key.bytes = nj_kit_file(file);
    cred->identity.size = sizeof(cred->identity);
    cred->identity.certs = cred->certs;
    cred->identity.certs_n = issuer == NULL ? 1 : 2;
    cred->identity.key = &cred->key;
    cred->identity.label = cred->label;
    cred->list[0] = &cred->identity;
}

/* ---- settings ------------------------------------------------------------------------------- */

static const uint16_t suites[] = {
    0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8,
};
static const uint16_t groups[] = { 29, 23, 24 };
static struct nj_span anchors[1];

static uint32_t class_or(uint32_t cls, uint32_t fallback)
{
    return cls == NJ_CLASS_NONE ? fallback : cls;
}

static void judge_answer(const struct nj_kit_judge *j, uint32_t cls, struct nj_tls_verdict *v)
{
    v->accept = j->refuse == 0 || (j->refuse == 2 && cls == NJ_CLASS_NONE);
    if (!v->accept) {
        v->cls = class_or(j->refuse_cls, class_or(cls, NJ_CLASS_POLICY));
        v->alert = j->refuse_alert;
        (void) snprintf(v->text, sizeof(v->text), "%s",
                        j->refuse_text == NULL ? "the kit says no" : j->refuse_text);
    }
}

static void kit_hook(void *user, const struct nj_tls_findings *found, struct nj_tls_verdict *v)
{
    if (user != (void *) &anchors) {
        die("the hook got another verify_user");
    }
    struct nj_kit_end *end = found->session_user;
    struct nj_kit_judge *j = &end->judge;
    j->calls++;
    j->judge = found->judge;
    j->cls = found->cls;
    j->version = found->version;
    j->resumed = found->resumed;
    j->chain_n = found->chain_n;
    j->path_n = found->path == NULL ? 0 : found->path_n;
    (void) snprintf(j->name, sizeof(j->name), "%s", found->name == NULL ? "" : found->name);
    j->leaf = (struct nj_span){ j->leaf_copy, 0 };
    if (found->chain_n > 0 && found->chain[0].len <= sizeof(j->leaf_copy)) {
        memcpy(j->leaf_copy, found->chain[0].ptr, found->chain[0].len);
        j->leaf.len = found->chain[0].len;
    }
    judge_answer(j, found->cls, v);
}

static void settings_common(struct nj_tls_settings *set, const struct nj_kit_cred *cred)
{
    memset(set, 0, sizeof(*set));
    anchors[0] = nj_kit_file("ca.crt");
    set->size = sizeof(*set);
    set->min_version = NJ_TLS_1_2;
    set->max_version = NJ_TLS_1_3;
    set->suites = suites;
    set->suites_n = sizeof(suites) / sizeof(suites[0]);
    set->groups = groups;
    set->groups_n = sizeof(groups) / sizeof(groups[0]);
    if (cred != NULL) {
        set->identities = cred->list;
        set->identities_n = 1;
    }
    set->anchors = anchors;
    set->anchors_n = 1;
    set->anchors_label = "ca.crt";
    set->verify_hook = kit_hook;
    set->verify_user = &anchors;
    set->label = "kit";
}

void nj_kit_settings_accept(struct nj_tls_settings *set, const struct nj_kit_cred *cred)
{
    settings_common(set, cred);
    set->role = NJ_TLS_ROLE_ACCEPT;
}

void nj_kit_settings_dial(struct nj_tls_settings *set, const struct nj_kit_cred *cred)
{
    settings_common(set, cred);
    set->role = NJ_TLS_ROLE_DIAL;
}

void nj_kit_settings_version(struct nj_tls_settings *set, uint16_t version)
{
    set->min_version = version;
    set->max_version = version;
}

/* ---- wires ---------------------------------------------------------------------------------- */

static uint8_t *wire_reserve(struct nj_sink *sink, size_t n)
{
    struct nj_kit_wire *w = (struct nj_kit_wire *) sink;
    if (w->len + n > w->cap) {
        w->cap = (w->len + n) * 2;
        w->buf = realloc(w->buf, w->cap);
        if (w->buf == NULL) {
            die("out of memory");
        }
    }
    w->room = n;
    return w->buf + w->len;
}

static void wire_commit(struct nj_sink *sink, size_t n)
{
    struct nj_kit_wire *w = (struct nj_kit_wire *) sink;
    if (n > w->room) {
        die("commit of %zu bytes after a reserve of %zu", n, w->room);
    }
    w->len += n;
    w->total += n;
    w->room -= n;
}

void nj_kit_wire_init(struct nj_kit_wire *w)
{
    memset(w, 0, sizeof(*w));
    w->sink.size = sizeof(w->sink);
    w->sink.reserve = wire_reserve;
    w->sink.commit = wire_commit;
}

void nj_kit_wire_free(struct nj_kit_wire *w)
{
    free(w->buf);
    w->buf = NULL;
    w->len = w->cap = w->taken = 0;
}

size_t nj_kit_wire_left(const struct nj_kit_wire *w)
{
    return w->len - w->taken;
}

int32_t nj_kit_wire_plain_alert(const struct nj_kit_wire *w)
{
    const uint8_t *p = w->buf + w->taken;
    return nj_kit_wire_left(w) >= 7 && p[0] == 21 && p[4] == 2 ? p[6] : NJ_ALERT_NONE;
}

/* The next piece for the reader, copied so that a sanitizer sees reads past its end. */
static uint8_t *wire_piece(const struct nj_kit_wire *w, size_t chunk, size_t *len_out)
{
    size_t len = nj_kit_wire_left(w);
    len = chunk > 0 && chunk < len ? chunk : len;
    uint8_t *copy = malloc(len == 0 ? 1 : len);
    if (copy == NULL) {
        die("out of memory");
    }
    if (len > 0) {
        memcpy(copy, w->buf + w->taken, len);
    }
    *len_out = len;
    return copy;
}

static void wire_took(struct nj_kit_wire *w, size_t n)
{
    w->taken += n;
    if (w->taken == w->len) {
        w->taken = w->len = 0;
    }
}

/* ---- ends ----------------------------------------------------------------------------------- */

static void plain_append(struct nj_kit_end *end, const uint8_t *bytes, size_t len)
{
    if (len == 0) {
        return;
    }
    if (end->plain_len + len > end->plain_cap) {
        end->plain_cap = (end->plain_len + len) * 2;
        end->plain = realloc(end->plain, end->plain_cap);
        if (end->plain == NULL) {
            die("out of memory");
        }
    }
    memcpy(end->plain + end->plain_len, bytes, len);
    end->plain_len += len;
}

static void note_failure(struct nj_kit_end *end)
{
    struct nj_error err = NJ_ERROR_INIT;
    end->err = err;
    end->tls->error(end->sess, &end->err);
}

/* One handshake call with the next piece; 1 when something moved. */
static int handshake_step(struct nj_kit_end *end, struct nj_kit_end *peer, size_t chunk)
{
    size_t before = end->out.total;
    size_t len = 0;
    uint8_t *piece = wire_piece(&peer->out, chunk, &len);
    struct nj_tls_in in = { piece, len, 0 };
    end->rc = end->tls->handshake(end->sess, &in, &end->out.sink);
    if (in.used > in.len || (end->rc == NJ_NEED_IN && in.used != in.len)) {
        die("handshake() used %zu of %zu bytes and said %d", in.used, in.len, end->rc);
    }
    wire_took(&peer->out, in.used);
    free(piece);
    if (end->rc == NJ_E_FAILED) {
        note_failure(end);
    }
    return in.used > 0 || end->out.total > before || end->rc != NJ_NEED_IN;
}

int nj_kit_end_step(struct nj_kit_end *end, struct nj_kit_end *peer, size_t chunk)
{
    if (end->rc == NJ_NEED_IN) {
        return handshake_step(end, peer, chunk);
    }
    if (end->rc == NJ_OK && end->open_rc >= 0 && nj_kit_wire_left(&peer->out) > 0) {
        (void) nj_kit_end_receive(end, peer, chunk);
        return 1;
    }
    return 0;
}

int nj_kit_pair_handshake(struct nj_kit_pair *pair)
{
    struct nj_kit_end *s = &pair->server;
    struct nj_kit_end *c = &pair->client;
    int moved = 1;
    while (moved) {
        moved = nj_kit_end_step(c, s, pair->chunk);
        moved |= nj_kit_end_step(s, c, pair->chunk);
    }
    int ok = s->rc == NJ_OK && c->rc == NJ_OK && s->open_rc >= 0 && c->open_rc >= 0;
    return ok ? NJ_OK : NJ_E_FAILED;
}

int nj_kit_end_send(struct nj_kit_end *end, const void *bytes, size_t len)
{
    return end->tls->seal(end->sess, bytes, len, &end->out.sink);
}

/* One piece through open(), as often as it says OK. */
static int open_piece(struct nj_kit_end *end, struct nj_tls_in *in)
{
    uint8_t buf[OPEN_BUF_LEN];
    int rc = NJ_OK;
    while (rc == NJ_OK) {
        size_t n = 0;
        rc = end->tls->open(end->sess, in, buf, sizeof(buf), &n, &end->out.sink);
        if (n > sizeof(buf) || (rc == NJ_OK && n == 0) || (rc == NJ_NEED_IN && n > 0)) {
            die("open() gave %zu bytes and said %d", n, rc);
        }
        plain_append(end, buf, n);
        if (rc == NJ_OK && in->used == in->len && end->tls->has_plain(end->sess) == 0) {
            break;
        }
    }
    if (rc >= 0 && in->used != in->len) {
        die("open() left %zu bytes and said %d", in->len - in->used, rc);
    }
    return rc;
}

int nj_kit_end_receive(struct nj_kit_end *end, struct nj_kit_end *peer, size_t chunk)
{
    int rc = NJ_NEED_IN;
    while (rc >= 0 && nj_kit_wire_left(&peer->out) > 0) {
        size_t len = 0;
        uint8_t *piece = wire_piece(&peer->out, chunk, &len);
        struct nj_tls_in in = { piece, len, 0 };
        rc = open_piece(end, &in);
        wire_took(&peer->out, in.used);
        free(piece);
    }
    end->open_rc = rc;
    if (rc == NJ_E_FAILED) {
        note_failure(end);
    }
    return rc;
}

int nj_kit_end_take(struct nj_kit_end *end, const void *expect, size_t len)
{
    int same = end->plain_len >= len && (len == 0 || memcmp(end->plain, expect, len) == 0);
    if (same && len > 0) {
        end->plain_len -= len;
        memmove(end->plain, end->plain + len, end->plain_len);
    }
    return same;
}

void nj_kit_end_inject(struct nj_kit_end *from, const void *bytes, size_t len)
{
    nj_sink_put(&from->out.sink, bytes, len);
}

/* ---- pairs ---------------------------------------------------------------------------------- */

static void end_init(struct nj_kit_end *end, const struct nj_tls_provider *tls)
{
    end->tls = tls;
    end->rc = NJ_NEED_IN;
    end->open_rc = NJ_NEED_IN;
    nj_kit_wire_init(&end->out);
}

int nj_kit_pair_open_ctx(struct nj_kit_pair *pair, const struct nj_tls_provider *server,
                         struct nj_tls_ctx *server_ctx, const struct nj_tls_provider *client,
                         struct nj_tls_ctx *client_ctx, const char *name, size_t chunk,
                         struct nj_error *err)
{
    memset(pair, 0, sizeof(*pair));
    end_init(&pair->server, server);
    end_init(&pair->client, client);
    pair->chunk = chunk;
    server->ctx_ref(server_ctx);
    pair->server.ctx = server_ctx;
    client->ctx_ref(client_ctx);
    pair->client.ctx = client_ctx;
    int rc = server->accept(server_ctx, &pair->server, &pair->server.sess, err);
    if (rc == NJ_OK) {
        struct nj_span none = { NULL, 0 };
        rc = client->dial(client_ctx, name, none, &pair->client, &pair->client.sess, err);
    }
    return rc;
}

int nj_kit_pair_open(struct nj_kit_pair *pair, const struct nj_tls_provider *server,
                     const struct nj_tls_settings *server_set, const struct nj_tls_provider *client,
                     const struct nj_tls_settings *client_set, const char *name, size_t chunk,
                     struct nj_error *err)
{
    struct nj_tls_ctx *sc = NULL;
    struct nj_tls_ctx *cc = NULL;
    memset(pair, 0, sizeof(*pair));
    int rc = server->ctx_new(server_set, &sc, err);
    if (rc == NJ_OK) {
        rc = client->ctx_new(client_set, &cc, err);
    }
    if (rc == NJ_OK) {
        rc = nj_kit_pair_open_ctx(pair, server, sc, client, cc, name, chunk, err);
    }
    if (cc != NULL) {
        client->ctx_unref(cc);
    }
    if (sc != NULL) {
        server->ctx_unref(sc);
    }
    return rc;
}

static void end_free(struct nj_kit_end *end)
{
    if (end->tls != NULL) {
        end->tls->free(end->sess);
        if (end->ctx != NULL) {
            end->tls->ctx_unref(end->ctx);
        }
    }
    nj_kit_wire_free(&end->out);
    free(end->plain);
    memset(end, 0, sizeof(*end));
}

void nj_kit_pair_free(struct nj_kit_pair *pair)
{
    end_free(&pair->client);
    end_free(&pair->server);
}

/*
 * A TLS provider's sessions, accepting and dialling: whatever arrives, a call returns what tls.h
 * promises and everything is given back at the end.
 *
 * The provider is the shared object that NJ_FUZZ_PROVIDER names.
 *
 * Input: one byte of choices.  With its lowest bit the rest are bytes for an accepting session,
 * cuts first.  Without it a real handshake takes place, some traffic follows it, and the rest are
 * changes to what the ends send each other, five bytes each: side and kind, offset (two bytes,
 * big-endian, from the beginning of the connection), value, length.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/abi/pair.h"
#include "tests/fuzz/fuzz.h"

enum { CONTEXTS = 4, CHANGES_MOST = 16, CHANGE_LEN = 5, ROUNDS_MOST = 2000 };

enum choice {
    RAW = 1,
    TLS_1_2 = 2,
    CLIENT_CERT = 4,
    TRAFFIC = 8,
    REFUSE = 16,
    SMALL_PIECES = 32,
    NEW_KEYS = 64,
    ABORT = 128
};

enum kind { SET, FLIP, DROP, REPEAT, KINDS };

struct change {
    int to_client;
    enum kind kind;
    size_t offset;
    uint8_t value;
    size_t len;
};

static struct nj_kit_provider provider;
static struct nj_kit_cred server_cred, client_cred;
static struct nj_tls_ctx *accepting[CONTEXTS], *dialling[CONTEXTS];

/* ---- contexts ------------------------------------------------------------------------------- */

static void contexts_make(size_t i)
{
    struct nj_error err = NJ_ERROR_INIT;
    struct nj_tls_settings accept, dial;
    nj_kit_settings_accept(&accept, &server_cred);
    nj_kit_settings_dial(&dial, &client_cred);
    nj_kit_settings_version(&accept, (i & 1) != 0 ? NJ_TLS_1_2 : NJ_TLS_1_3);
    accept.verify = (i & 2) != 0 ? NJ_TLS_VERIFY_REQUIRE : NJ_TLS_VERIFY_NONE;
    int rc = provider.tls->ctx_new(&accept, &accepting[i], &err);
    FUZZ_CHECK(rc == NJ_OK, "accepting context: %s", err.text);
    rc = provider.tls->ctx_new(&dial, &dialling[i], &err);
    FUZZ_CHECK(rc == NJ_OK, "dialling context: %s", err.text);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    struct nj_error err = NJ_ERROR_INIT;
    const char *path = getenv("NJ_FUZZ_PROVIDER");
    (void) argc;
    (void) argv;
    if (path == NULL) {
        (void) fputs("fuzz_session: NJ_FUZZ_PROVIDER=/…/nj_tls_NAME.so is needed\n", stderr);
        exit(2);
    }
    int rc = nj_kit_provider_load(&provider, "fuzzed", path, &err);
    FUZZ_CHECK(rc == NJ_OK, "%s", err.text);
    nj_kit_cred_load(&server_cred, "server-ecdsa", NULL);
    nj_kit_cred_load(&client_cred, "client-ecdsa", NULL);
    for (size_t i = 0; i < CONTEXTS; i++) {
        contexts_make(i);
    }
    return 0;
}

/* ---- changes on the way --------------------------------------------------------------------- */

static size_t changes_take(struct fuzz_in *in, struct change changes[CHANGES_MOST])
{
    size_t n = 0;
    for (; n < CHANGES_MOST && in->len >= CHANGE_LEN; n++) {
        uint8_t what = fuzz_byte(in);
        changes[n].to_client = what & 1;
        changes[n].kind = (enum kind)((what >> 1) % KINDS);
        changes[n].offset = (size_t) fuzz_byte(in) << 8;
        changes[n].offset += fuzz_byte(in);
        changes[n].value = fuzz_byte(in);
        changes[n].len = (size_t) fuzz_byte(in) + 1;
    }
    return n;
}

/* Change `bytes`, which begin at `at` of their direction; returns the new length (cap: 2 * len). */
static size_t change_one(const struct change *c, uint8_t *bytes, size_t len, size_t first)
{
    size_t n = c->len < len - first ? c->len : len - first;
    switch (c->kind) {
    case SET:
        bytes[first] = c->value;
        return len;
    case FLIP:
        bytes[first] ^= (uint8_t) (c->value == 0 ? 1 : c->value);
        return len;
    case DROP:
        memmove(bytes + first, bytes + first + n, len - first - n);
        return len - n;
    default:
        memmove(bytes + first + n, bytes + first, len - first);
        return len + n;
    }
}

/* What an end has written, changed on its way; the wire is empty afterwards. */
static uint8_t *carry(struct nj_kit_end *from, int to_client, const struct change *changes,
                      size_t n, size_t *len_out)
{
    struct nj_kit_wire *w = &from->out;
    size_t begin = w->total - w->len;
    size_t len = w->len;
    uint8_t *bytes = calloc(1, len + (size_t) CHANGES_MOST * 256);
    FUZZ_CHECK(bytes != NULL, "out of memory");
    memcpy(bytes, w->buf, len);
    w->len = 0;
    for (size_t i = 0; i < n; i++) {
        const struct change *c = &changes[i];
        if (c->to_client == to_client && c->offset >= begin && c->offset - begin < len) {
            len = change_one(c, bytes, len, c->offset - begin);
        }
    }
    *len_out = len;
    return bytes;
}

/* ---- ends ----------------------------------------------------------------------------------- */

static void check_words(struct nj_kit_end *end, const char *what)
{
    struct nj_error err = NJ_ERROR_INIT;
    end->tls->error(end->sess, &err);
    FUZZ_CHECK(err.text[0] != '\0', "%s failed without a word", what);
}

/* Both are asked about a finished handshake; anything may be asked again. */
static void look_at(struct nj_kit_end *end)
{
    struct nj_tls_info info = { .size = sizeof(info) };
    struct nj_span chain[8];
    end->tls->info(end->sess, &info);
    size_t n = end->tls->peer_chain(end->sess, chain, 8);
    for (size_t i = 0; i < n && i < 8; i++) {
        FUZZ_CHECK(chain[i].len > 0, "an empty certificate");
    }
    end->tls->drop_peer(end->sess);
}

static void open_all(struct nj_kit_end *end, struct nj_tls_in *in)
{
    uint8_t plain[4096];
    int rc = NJ_OK;
    while (rc == NJ_OK && (in->used < in->len || end->tls->has_plain(end->sess) > 0)) {
        size_t n = 0;
        size_t before = in->used;
        rc = end->tls->open(end->sess, in, plain, sizeof(plain), &n, &end->out.sink);
        FUZZ_CHECK(in->used <= in->len && in->used >= before && n <= sizeof(plain),
                   "open() used %zu of %zu bytes and gave %zu", in->used, in->len, n);
        FUZZ_CHECK(rc != NJ_OK || n > 0, "open() said OK and gave nothing");
        FUZZ_CHECK(rc != NJ_NEED_IN || in->used == in->len, "open() left %zu bytes",
                   in->len - in->used);
    }
    FUZZ_CHECK(rc == NJ_OK || rc == NJ_NEED_IN || rc == NJ_E_CLOSED || rc == NJ_E_FAILED,
               "open() said %d", rc);
    end->open_rc = rc;
    if (rc == NJ_E_FAILED) {
        check_words(end, "open()");
    }
}

static void give(struct nj_kit_end *end, const uint8_t *bytes, size_t len)
{
    struct nj_tls_in in = { bytes, len, 0 };
    if (end->rc == NJ_NEED_IN) {
        end->rc = end->tls->handshake(end->sess, &in, &end->out.sink);
        FUZZ_CHECK(in.used <= in.len, "handshake() used %zu of %zu bytes", in.used, in.len);
        FUZZ_CHECK(end->rc != NJ_NEED_IN || in.used == in.len, "handshake() left %zu bytes",
                   in.len - in.used);
        FUZZ_CHECK(end->rc == NJ_OK || end->rc == NJ_NEED_IN || end->rc == NJ_E_FAILED,
                   "handshake() said %d", end->rc);
        if (end->rc == NJ_E_FAILED) {
            check_words(end, "handshake()");
        } else if (end->rc == NJ_OK) {
            look_at(end);
        }
    }
    if (end->rc == NJ_OK && end->open_rc >= 0) {
        open_all(end, &in);
    }
}

/* In pieces of their own memory, so that the sanitizer sees what is kept or read too far. */
static void give_pieces(struct nj_kit_end *end, const uint8_t *bytes, size_t len,
                        struct fuzz_cuts *cuts)
{
    for (size_t at = 0; at < len;) {
        size_t n = fuzz_cuts_next(cuts, len - at);
        uint8_t *piece = fuzz_copy(bytes + at, n);
        give(end, piece, n);
        free(piece);
        at += n;
    }
}

static void deliver(struct nj_kit_end *from, struct nj_kit_end *to, int to_client,
                    const struct change *changes, size_t n, struct fuzz_cuts *cuts)
{
    size_t len = 0;
    if (from->out.len > 0) {
        uint8_t *bytes = carry(from, to_client, changes, n, &len);
        give_pieces(to, bytes, len, cuts);
        free(bytes);
    }
}

/* ---- conversations -------------------------------------------------------------------------- */

static void exchange(struct nj_kit_pair *pair, const struct change *changes, size_t n,
                     struct fuzz_cuts *cuts)
{
    for (int i = 0; i < ROUNDS_MOST; i++) {
        if (pair->client.out.len == 0 && pair->server.out.len == 0) {
            return;
        }
        deliver(&pair->client, &pair->server, 0, changes, n, cuts);
        deliver(&pair->server, &pair->client, 1, changes, n, cuts);
    }
    fuzz_fail("the ends talk for ever");
}

enum keys { WITH_OLD_KEYS, WITH_NEW_KEYS };

static void say(struct nj_kit_end *end, enum keys keys)
{
    static const uint8_t text[3000] = "PING\r\n";
    if (end->rc == NJ_OK && end->open_rc >= 0) {
        if (keys == WITH_NEW_KEYS && NJ_TLS_HAS(end->tls, key_update)) {
            (void) end->tls->key_update(end->sess, &end->out.sink);
        }
        (void) end->tls->seal(end->sess, text, 6, &end->out.sink);
        (void) end->tls->seal(end->sess, text, sizeof(text), &end->out.sink);
    }
}

static void finish(struct nj_kit_end *end)
{
    int eof = end->tls->in_eof(end->sess);
    FUZZ_CHECK(eof == NJ_E_CLOSED || eof == NJ_E_TRUNCATED || eof == NJ_E_FAILED,
               "in_eof() said %d", eof);
    (void) end->tls->close_notify(end->sess, &end->out.sink);
}

static void converse(struct nj_kit_pair *pair, uint8_t choices, struct fuzz_in in,
                     struct fuzz_cuts *cuts)
{
    struct change changes[CHANGES_MOST];
    size_t n = changes_take(&in, changes);
    give(&pair->client, NULL, 0); /* the dialling end speaks first */
    exchange(pair, changes, n, cuts);
    FUZZ_CHECK(
        n > 0 || (choices & REFUSE) != 0 || (pair->server.rc == NJ_OK && pair->client.rc == NJ_OK),
        "an unchanged handshake failed: server %d, client %d", pair->server.rc, pair->client.rc);
    if ((choices & TRAFFIC) != 0) {
        say(&pair->client, (choices & NEW_KEYS) != 0 ? WITH_NEW_KEYS : WITH_OLD_KEYS);
        say(&pair->server, WITH_OLD_KEYS);
        exchange(pair, changes, n, cuts);
    }
    if ((choices & ABORT) != 0) {
        (void) pair->server.tls->abort(pair->server.sess, NJ_ALERT_BAD_CERTIFICATE,
                                       &pair->server.out.sink);
    }
    finish(&pair->client);
    finish(&pair->server);
    exchange(pair, changes, n, cuts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct fuzz_cuts small = { .size = { 1, 5, 200 }, .n = 3 };
    struct nj_error err = NJ_ERROR_INIT;
    struct fuzz_in in = { data, len };
    struct fuzz_cuts cuts = { .n = 0 };
    struct nj_kit_pair pair;
    uint8_t choices = fuzz_byte(&in);
    size_t i = ((choices & TLS_1_2) != 0 ? 1U : 0U) | ((choices & CLIENT_CERT) != 0 ? 2U : 0U);
    long before = nj_kit_host_live();
    nj_kit_log_clear();
    int rc = nj_kit_pair_open_ctx(&pair, provider.tls, accepting[i], provider.tls, dialling[i],
                                  "localhost", 0, &err);
    FUZZ_CHECK(rc == NJ_OK, "no sessions: %s", err.text);
    pair.server.judge.refuse = (choices & REFUSE) != 0 ? 1 : 0;
    if ((choices & RAW) != 0) {
        fuzz_cuts_take(&cuts, &in);
        give_pieces(&pair.server, in.ptr, in.len, &cuts);
        finish(&pair.server);
    } else {
        small.next = 0;
        converse(&pair, choices, in, (choices & SMALL_PIECES) != 0 ? &small : &cuts);
    }
    nj_kit_pair_free(&pair);
    FUZZ_CHECK(nj_kit_host_live() == before, "%ld blocks were not given back",
               nj_kit_host_live() - before);
    return 0;
}

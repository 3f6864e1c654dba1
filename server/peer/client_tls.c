#include "peer/client_tls.h"

#include <stdatomic.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "io/tls_stream.h"
#include "peer/client.h"
#include "tls/block.h"
#include "tls/names.h"

#define RECORD_HANDSHAKE 0x16 /* ContentType, RFC 8446 5.1 */
#define SNIFF_FIRST 4         /* waiting for TLS first ends at so many bytes */
#define SNIFF_MIXED 6         /* allow_non_tls decides at so many */

struct nj_tls_door {
    _Atomic uint32_t refs; /* atomic */
    struct nj_tls_door_config c;
    struct nj_tls_accept accept;
};

static struct nj_tls_ctx *pick(void *setup, const struct nj_hello *hello)
{
    return nj_tls_setup_pick(setup, hello);
}

struct nj_tls_door *nj_tls_door_new(const struct nj_tls_door_config *config)
{
    struct nj_tls_door *d = nj_zalloc(sizeof(*d));
    atomic_init(&d->refs, 1);
    d->c = *config;
    d->c.setup = nj_tls_setup_ref(config->setup);
    d->accept.provider = d->c.setup->provider;
    d->accept.pick = pick;
    d->accept.user = d->c.setup;
    d->accept.offer = &d->c.setup->offer;
    return d;
}

struct nj_tls_door *nj_tls_door_ref(struct nj_tls_door *d)
{
    (void) atomic_fetch_add_explicit(&d->refs, 1, memory_order_relaxed);
    return d;
}

void nj_tls_door_unref(struct nj_tls_door **dp)
{
    struct nj_tls_door *d = *dp;
    if (d == NULL) {
        return;
    }
    *dp = NULL;
    if (atomic_fetch_sub_explicit(&d->refs, 1, memory_order_acq_rel) > 1) {
        return;
    }
    nj_tls_setup_unref(&d->c.setup);
    nj_dealloc(d);
}

enum nj_first nj_tls_door_first(const struct nj_tls_door *d)
{
    return d->c.first;
}

bool nj_tls_door_verifies(const struct nj_tls_door *d)
{
    return d->c.setup->verify != NJ_TLS_VERIFY_NONE;
}

int64_t nj_tls_door_timeout_us(const struct nj_tls_door *d)
{
    return d->c.timeout_us;
}

struct nj_tls_setup *nj_tls_door_setup(const struct nj_tls_door *d)
{
    return d->c.setup;
}

/* ---- the first bytes -------------------------------------------------------------------------------- */

static void count(struct nj_client *c, enum nj_handshake_end end)
{
    nj_handshakes_count(&nj_hub_worker_of(c->conn.worker)->handshakes, end);
}

static void start_tls(struct nj_client *c)
{
    if (!nj_tls_rate_allow(&c->hub->tls_rate, nj_mono_us())) {
        count(c, NJ_HS_THROTTLED);
        nj_client_close(c, NJ_CLOSE_TLS_THROTTLED);
        return;
    }
    nj_client_debug(c, "Starting TLS client connection handshake");
    c->phase = NJ_PHASE_TLS;
    c->conn.is_new = true;
    nj_tls_stream_start(&c->conn, &c->door->accept);
    nj_client_wait(c, NJ_WAIT_TLS, c->door->c.timeout_us);
}

static void start_sniff(struct nj_client *c, uint8_t want, int64_t us)
{
    c->phase = NJ_PHASE_SNIFF;
    c->conn.is_new = true;
    c->sniff_want = want;
    nj_client_wait(c, NJ_WAIT_SNIFF, us);
}

/* INFO was sent in clear: TLS follows, or may follow. */
static void after_clear_info(struct nj_client *c)
{
    if (nj_client_serving(c)->allow_non_tls) {
        start_sniff(c, SNIFF_MIXED, c->door->c.timeout_us);
    } else {
        start_tls(c);
    }
}

void nj_client_begin(struct nj_client *c)
{
    const struct nj_tls_door *d = c->door;
    if (d == NULL) {
        nj_client_send_info(c, NJ_INFO_FIRST);
        nj_client_ready(c);
    } else if (d->c.first == NJ_FIRST_ALWAYS) {
        start_tls(c);
    } else if (d->c.first == NJ_FIRST_DELAY) {
        start_sniff(c, SNIFF_FIRST, d->c.first_delay_us);
    } else {
        nj_client_send_info(c, NJ_INFO_FIRST);
        after_clear_info(c);
    }
}

/* Give the sniffed bytes to whoever reads from now on. */
static void replay(struct nj_client *c)
{
    uint8_t bytes[sizeof(c->sniff)];
    size_t len = c->sniff_len;
    memcpy(bytes, c->sniff, len);
    c->sniff_len = 0;
    if (len == 0 || !nj_client_is_open(c)) {
        return;
    }
    if (c->conn.tls != NULL) {
        (void) nj_tls_stream_input(&c->conn, bytes, len);
    } else {
        nj_conn_feed(&c->conn, bytes, len);
    }
}

/* The wait is over: enough bytes, or time is up. */
static void decide(struct nj_client *c)
{
    bool waiting_for_first = c->sniff_want == SNIFF_FIRST;
    nj_client_stop_wait(c);
    if (waiting_for_first && c->sniff_len == 0) {
        nj_client_send_info(c, NJ_INFO_FIRST);
        after_clear_info(c);
        return;
    }
    if (waiting_for_first || (c->sniff_len > 0 && c->sniff[0] == RECORD_HANDSHAKE)) {
        start_tls(c);
    } else {
        nj_client_ready(c);
    }
    replay(c);
}

void nj_client_sniff_timeout(struct nj_client *c)
{
    decide(c);
}

size_t nj_client_sniff(struct nj_client *c, const uint8_t *ptr, size_t len)
{
    size_t n = (size_t) (c->sniff_want - c->sniff_len);
    n = n < len ? n : len;
    memcpy(c->sniff + c->sniff_len, ptr, n);
    c->sniff_len = (uint8_t) (c->sniff_len + n);
    if (c->sniff_len < c->sniff_want) {
        return n;
    }
    decide(c);
    if (n < len && nj_client_is_open(c) && c->conn.tls != NULL) {
        (void) nj_tls_stream_input(&c->conn, ptr + n, len - n);
        return len;
    }
    return n;
}

/* ---- the end of the handshake ------------------------------------------------------------------------ */

/* Is the peer's certificate among those of `door`?  The peer may have come in by another one. */
static bool pin_fits(struct nj_client *c, const struct nj_tls_door *door)
{
    const struct nj_tls_setup *setup = door->c.setup;
    if (setup->pins.n == 0) {
        return true;
    }
    struct nj_span leaf = { NULL, 0 };
    char key_id[NJ_PIN_HEX_LEN + 1];
    (void) nj_tls_stream_peer_chain(&c->conn, &leaf, 1);
    if (nj_pins_check(&setup->pins, leaf, setup->provider->crypto->hash, key_id, NULL) == NJ_OK) {
        return true;
    }
    if (leaf.len == 0) {
        nj_client_debug(c, "Failed pinned cert test as client did not provide a certificate");
    } else {
        nj_client_debug(c, "Failed pinned cert test for key id: %s", key_id);
    }
    return false;
}

bool nj_client_fits_pins(struct nj_client *c)
{
    const struct nj_tls_door *now = nj_client_serving(c)->tls;
    return now == NULL || pin_fits(c, now);
}

/* A list of suites or groups is a promise, also when a library chose beside it. */
static bool choice_is_allowed(struct nj_client *c, const struct nj_tls_info *info)
{
    struct nj_error err = NJ_ERROR_INIT;
    if (nj_tls_setup_allows(c->door->c.setup, info, &err) == NJ_OK) {
        return true;
    }
    nj_client_log(c, NJ_LVL_ERR, "TLS handshake error: %s", err.text);
    count(c, nj_handshake_end_of(&err));
    nj_tls_stream_abort(&c->conn, err.alert);
    nj_client_close(c, NJ_CLOSE_TLS_HANDSHAKE);
    return false;
}

static void not_pinned(struct nj_client *c)
{
    nj_client_log(c, NJ_LVL_ERR, "TLS handshake error: certificate not pinned");
    count(c, NJ_HS_NOT_PINNED);
    nj_client_close(c, NJ_CLOSE_TLS_HANDSHAKE);
}

/* Nothing speaks against the peer any more. */
static void welcome(struct nj_client *c)
{
    char spare[2][24];
    count(c, c->tls_resumed ? NJ_HS_RESUMED : NJ_HS_FULL);
    nj_client_debug(c, "TLS handshake complete");
    nj_client_debug(c, "TLS version %s, cipher suite %s",
                    nj_tls_version_text(c->tls_version, spare[0]),
                    nj_tls_suite_name(c->tls_suite, spare[1]));
    if (!c->info_sent) {
        c->tls_first = true;
        nj_client_send_info(c, NJ_INFO_FIRST);
    }
    nj_client_ready(c);
}

void nj_client_secured(struct nj_conn *conn)
{
    struct nj_client *c = (struct nj_client *) (void *) conn;
    struct nj_tls_info info = { .size = sizeof(info) };
    nj_client_stop_wait(c);
    /* Pins that came by a reload while the handshake was under way count as well. */
    if (!pin_fits(c, c->door) || !nj_client_fits_pins(c)) {
        not_pinned(c);
        return;
    }
    if (nj_tls_stream_info(conn, &info) == NJ_OK) {
        c->tls_version = info.version;
        c->tls_suite = info.suite;
    }
    if (!choice_is_allowed(c, &info)) {
        return;
    }
    c->tls_resumed = info.resumed != 0;
    if (c->door->c.setup->ocsp_peer) {
        nj_client_ask_ocsp(c); /* goes on with nj_client_ocsp_valid() */
    } else {
        welcome(c);
    }
}

void nj_client_ocsp_valid(struct nj_client *c)
{
    if (nj_client_fits_pins(c)) { /* they may have changed meanwhile */
        welcome(c);
    } else {
        not_pinned(c);
    }
}

void nj_client_not_ocsp_valid(struct nj_client *c)
{
    nj_client_log(c, NJ_LVL_ERR, "TLS handshake error: client not OCSP valid");
    count(c, NJ_HS_CERTIFICATE);
    nj_tls_stream_abort(&c->conn, NJ_ALERT_BAD_CERTIFICATE);
    nj_client_close(c, NJ_CLOSE_TLS_HANDSHAKE);
}

static enum nj_log_level level_of(const struct nj_error *err)
{
    return err->cls == NJ_CLASS_NOT_TLS ? NJ_LVL_DBG : NJ_LVL_ERR;
}

/* A certificate was judged and refused. */
static bool is_about_certificate(const struct nj_error *err)
{
    return (err->cls >= NJ_CLASS_UNKNOWN_CA && err->cls <= NJ_CLASS_OCSP) ||
           err->cls == NJ_CLASS_POLICY;
}

/* " (<subject> SHA-256: <hex>; …)": which certificates were sent. */
static void append_detail(struct nj_client *c, const struct nj_error *err, struct nj_buf *out)
{
    const struct nj_tls_setup *setup = c->door->c.setup;
    struct nj_span chain[NJ_CHAIN_MAX];
    if (is_about_certificate(err)) {
        size_t n = nj_tls_stream_peer_chain(&c->conn, chain, NJ_CHAIN_MAX);
        n = n < NJ_CHAIN_MAX ? n : NJ_CHAIN_MAX;
        (void) nj_tls_chain_detail(chain, n, setup->provider->crypto->hash, out);
    }
}

void nj_client_tls_failed(struct nj_client *c, enum nj_conn_end why)
{
    struct nj_error err = NJ_ERROR_INIT;
    struct nj_buf text;
    nj_buf_init(&text, 64 * 1024);
    if (why == NJ_END_TLS) {
        (void) nj_buf_puts(&text, nj_tls_stream_error(c->conn.tls, &err));
        append_detail(c, &err, &text);
    } else {
        (void) nj_buf_puts(&text, why == NJ_END_READ ? "read: connection reset by peer" : "EOF");
    }
    nj_client_log(c, level_of(&err), "TLS handshake error: %s", text.ptr);
    count(c, why == NJ_END_TLS ? nj_handshake_end_of(&err) : NJ_HS_CLOSED);
    nj_buf_free(&text);
    nj_client_close(c, NJ_CLOSE_TLS_HANDSHAKE);
}

void nj_client_tls_timeout(struct nj_client *c)
{
    count(c, NJ_HS_TIMEOUT);
    nj_client_debug(c, "TLS handshake timeout");
    nj_client_debug(c, "TLS handshake error: read tcp %s:%d->%s:%u: i/o timeout", c->hub->host,
                    c->hub->port, c->ip, c->port);
    nj_client_close(c, NJ_CLOSE_TLS_HANDSHAKE);
}

/* CONNECT: its JSON, in the words and with the tolerance of the reference's decoder. */
#include <jansson.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/nul_text.h"
#include "base/wiped.h"
#include "broker/account.h"
#include "peer/client.h"

/* What the object may hold; a key the client left out keeps its old value. */
enum kind { KIND_BOOL, KIND_STRING, KIND_INT };

struct options {
    int verbose, pedantic, echo, headers, no_responders, new_account, tls_required;
    json_int_t protocol;
    const json_t *name, *lang, *version, *user, *pass, *token, *account;
    const json_t *nkey, *sig, *jwt, *proxy_sig;
    bool odd_secret; /* a credential has a NUL in it */
};

struct field {
    const char *key;
    enum kind kind;
    size_t off;
};

#define F(name, kind, member) { name, kind, offsetof(struct options, member) }
static const struct field fields[] = {
    F("verbose", KIND_BOOL, verbose),
    F("pedantic", KIND_BOOL, pedantic),
    F("echo", KIND_BOOL, echo),
    F("headers", KIND_BOOL, headers),
    F("no_responders", KIND_BOOL, no_responders),
    F("new_account", KIND_BOOL, new_account),
    F("tls_required", KIND_BOOL, tls_required),
    F("protocol", KIND_INT, protocol),
    F("name", KIND_STRING, name),
    F("lang", KIND_STRING, lang),
    F("version", KIND_STRING, version),
    F("user", KIND_STRING, user),
    F("pass", KIND_STRING, pass),
    F("auth_token", KIND_STRING, token),
    F("account", KIND_STRING, account),
    F("nkey", KIND_STRING, nkey),
    F("sig", KIND_STRING, sig),
    F("jwt", KIND_STRING, jwt),
    F("proxy_sig", KIND_STRING, proxy_sig),
};
#undef F

/* ---- reading ----------------------------------------------------------------------------------- */

/* Length of the UTF-8 sequence at s, 0 when it is none. */
static size_t utf8_len(const unsigned char *s, size_t len)
{
    size_t n = s[0] < 0x80 ? 1 : s[0] >= 0xc2 && s[0] < 0xe0 ? 2 : (s[0] & 0xf0) == 0xe0 ? 3
             : s[0] >= 0xf0 && s[0] < 0xf5 ? 4 : 0;
    if (n == 0 || n > len) {
        return 0;
    }
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    bool surrogate = n == 3 && s[0] == 0xed && s[1] >= 0xa0;
    bool too_long = (n == 3 && s[0] == 0xe0 && s[1] < 0xa0) || (n == 4 && s[0] == 0xf0 && s[1] < 0x90);
    bool too_big = n == 4 && s[0] == 0xf4 && s[1] >= 0x90;
    return surrogate || too_long || too_big ? 0 : n;
}

/* Bytes that are no UTF-8 become U+FFFD, as the reference reads them. */
static void clean(const char *text, size_t len, struct nj_buf *out)
{
    const unsigned char *s = (const unsigned char *) text;
    for (size_t at = 0; at < len;) {
        size_t n = utf8_len(s + at, len - at);
        if (n == 0) {
            (void) nj_buf_append(out, "\xef\xbf\xbd", 3);
            at++;
        } else {
            (void) nj_buf_append(out, s + at, n);
            at += n;
        }
    }
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Where jansson stopped, as the reference would say it. */
static void explain(struct nj_client *c, const struct nj_buf *b, const json_error_t *e)
{
    size_t at = e->position > 0 ? (size_t) e->position - 1 : 0;
    bool ended = json_error_code(e) == json_error_premature_end_of_input || at >= b->len;
    for (size_t i = 0; !ended && i < b->len && is_space(b->ptr[i]); i++) {
        ended = i + 1 == b->len;
    }
    if (b->len == 0 || ended) {
        nj_client_log(c, NJ_LVL_ERR, "unexpected end of JSON input");
    } else {
        const char *near = strstr(e->text, " near '"); /* what stands there may be a password */
        int len = (int) (near != NULL ? (size_t) (near - e->text) : strlen(e->text));
        nj_client_log(c, NJ_LVL_ERR, "invalid character '%c' in JSON: %.*s", b->ptr[at], len,
                      e->text);
    }
}

static json_t *read_json(struct nj_client *c, const struct nj_event *ev)
{
    struct nj_buf b;
    json_error_t e;
    nj_buf_init(&b, SIZE_MAX);
    (void) nj_buf_reserve(&b, 3 * ev->arg.len); /* at most; growing would leave copies behind */
    clean(ev->arg.ptr, ev->arg.len, &b);
    json_t *j = json_loadb(b.ptr != NULL ? b.ptr : "", b.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &e);
    if (j == NULL) {
        explain(c, &b, &e);
    }
    nj_wipe(&e, sizeof(e)); /* quotes what it cannot read */
    nj_buf_wipe(&b);
    nj_client_wipe_input(ev->arg.ptr, ev->arg.len);
    return j;
}

/* Strings, keys and what its scanner keeps of them: all of it, whatever type a secret comes as. */
void nj_client_wipe_json(void)
{
    json_set_alloc_funcs(nj_wiped_alloc, nj_wiped_dealloc);
}

void nj_client_wipe_input(const char *ptr, size_t len)
{
    nj_wipe((char *) (uintptr_t) ptr, len); /* const for those who read only */
}

static const char *kind_of(const json_t *v)
{
    switch (json_typeof(v)) {
    case JSON_OBJECT:
        return "object";
    case JSON_ARRAY:
        return "array";
    case JSON_STRING:
        return "string";
    case JSON_INTEGER:
    case JSON_REAL:
        return "number";
    default:
        return "bool";
    }
}

static bool is_credential(const struct field *f)
{
    return f->off == offsetof(struct options, user) || f->off == offsetof(struct options, pass) ||
           f->off == offsetof(struct options, token) || f->off == offsetof(struct options, nkey) ||
           f->off == offsetof(struct options, sig) || f->off == offsetof(struct options, jwt);
}

static bool has_nul(const json_t *v)
{
    return strlen(json_string_value(v)) != json_string_length(v);
}

static bool store(struct options *o, const struct field *f, json_t *v)
{
    char *to = (char *) o + f->off;
    switch (f->kind) {
    case KIND_BOOL:
        if (!json_is_boolean(v)) {
            return false;
        }
        *(int *) (void *) to = json_is_true(v);
        return true;
    case KIND_INT:
        if (!json_is_integer(v)) {
            return false;
        }
        *(json_int_t *) (void *) to = json_integer_value(v);
        return true;
    default:
        if (!json_is_string(v)) {
            return false;
        }
        *(const json_t **) (void *) to = v;
        o->odd_secret = o->odd_secret || (is_credential(f) && has_nul(v));
        return true;
    }
}

static void wrong_type(struct nj_client *c, const struct field *f, const json_t *v)
{
    static const char *const want[] = { "bool", "string", "int" };
    char number[40] = "";
    if (f->kind == KIND_INT && json_is_real(v)) {
        (void) snprintf(number, sizeof(number), " %.17g", json_real_value(v));
    }
    nj_client_log(c, NJ_LVL_ERR,
                  "json: cannot unmarshal %s%s into Go struct field ClientOpts.%s of type %s",
                  kind_of(v), number, f->key, want[f->kind]);
}

static bool read_options(struct nj_client *c, json_t *j, struct options *o)
{
    const char *key;
    json_t *v;
    if (json_is_null(j)) {
        return true;
    }
    if (!json_is_object(j)) {
        nj_client_log(c, NJ_LVL_ERR,
                      "json: cannot unmarshal %s into Go value of type server.ClientOpts",
                      kind_of(j));
        return false;
    }
    json_object_foreach(j, key, v) {
        for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
            if (json_is_null(v) || strcasecmp(key, fields[i].key) != 0) {
                continue;
            }
            if (!store(o, &fields[i], v)) {
                wrong_type(c, &fields[i], v);
                return false;
            }
        }
    }
    return true;
}

int nj_client_check_json(struct nj_client *c, const struct nj_event *ev)
{
    json_t *j = read_json(c, ev);
    if (j == NULL) {
        nj_client_close(c, NJ_CLOSE_PROTOCOL);
        return NJ_E_INVALID;
    }
    json_decref(j);
    return NJ_OK;
}

/* ---- taking over ---------------------------------------------------------------------------------- */

static void wipe_string(char **sp)
{
    if (*sp != NULL) {
        nj_wipe(*sp, strlen(*sp));
        nj_dealloc(*sp);
        *sp = NULL;
    }
}

void nj_client_forget_secrets(struct nj_client *c)
{
    wipe_string(&c->sig);
    wipe_string(&c->pass);
    wipe_string(&c->token);
    wipe_string(&c->jwt);
}

void nj_client_forget_options(struct nj_client *c)
{
    nj_dealloc(c->name);
    nj_dealloc(c->lang);
    nj_dealloc(c->version);
    nj_dealloc(c->user);
    nj_dealloc(c->nkey);
    c->nkey = NULL;
    c->name = NULL;
    c->lang = NULL;
    c->version = NULL;
    c->user = NULL;
    nj_client_forget_secrets(c);
}

static void take_string(char **to, const json_t *from)
{
    if (from != NULL) {
        size_t len = json_string_length(from);
        wipe_string(to);
        *to = len > 0 ? nj_nul_text_new(json_string_value(from), len) : NULL;
    }
}

/* An option that is left out keeps its value, but this one it has never given. */
static void forget_lent_name(struct nj_client *c)
{
    if (c->has_given_no_name) {
        nj_dealloc(c->user);
        nj_dealloc(c->nkey);
        c->user = NULL;
        c->nkey = NULL;
        c->has_given_no_name = false;
    }
}

static void take_over(struct nj_client *c, const struct options *o)
{
    forget_lent_name(c);
    c->verbose = o->verbose != 0;
    c->pedantic = o->pedantic != 0;
    c->echo = o->echo != 0;
    c->headers = o->headers != 0 && c->hub->headers;
    c->no_responders = o->no_responders != 0;
    c->protocol = o->protocol == 1 ? 1 : 0;
    c->parser.headers_on = c->headers;
    take_string(&c->name, o->name);
    take_string(&c->lang, o->lang);
    take_string(&c->version, o->version);
    take_string(&c->user, o->user);
    take_string(&c->pass, o->pass);
    take_string(&c->token, o->token);
    take_string(&c->nkey, o->nkey);
    take_string(&c->sig, o->sig);
    if (nj_client_serving(c)->mappers != NULL) {
        take_string(&c->jwt, o->jwt);
    }
}

static bool wants_account(const struct options *o)
{
    return (o->account != NULL && json_string_length(o->account) > 0) || o->new_account > 0;
}

/* Auth, then the protocol, then no_responders: the reference's order. */
static void check_and_answer(struct nj_client *c, const struct options *o)
{
    c->bad_protocol = o->protocol < 0 || o->protocol > 1;
    c->wants_account = wants_account(o);
    c->odd_secret = o->odd_secret;
    nj_client_authenticate(c);
}

int nj_client_connect(struct nj_client *c, const struct nj_event *ev)
{
    struct options o = { .verbose = c->verbose,
                         .pedantic = c->pedantic,
                         .echo = c->echo,
                         .headers = c->headers,
                         .no_responders = c->no_responders,
                         .protocol = c->protocol };
    json_t *j = read_json(c, ev);
    nj_client_stop_wait(c);
    nj_client_ping_after_connect(c);
    if (j == NULL || !read_options(c, j, &o)) {
        json_decref(j);
        nj_client_close(c, NJ_CLOSE_PROTOCOL);
        return NJ_E_INVALID;
    }
    nj_client_drop_subs(c); /* a second CONNECT begins anew */
    if (!c->got_connect) {
        nj_client_estimate_rtt(c);
    }
    c->got_connect = true;
    take_over(c, &o);
    check_and_answer(c, &o);
    json_decref(j);
    return nj_client_is_open(c) ? NJ_OK : NJ_E_DENIED;
}

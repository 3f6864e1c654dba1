#include "auth/auth.h"

#include <stdatomic.h>
#include <string.h>

#include "auth/nkey.h"
#include "auth/user.h"
#include "base/alloc.h"
#include "base/random.h"
#include "natterjack/plugin.h"

struct nj_auth {
    _Atomic uint32_t refs; /* atomic */
    char *user;            /* NULL: no single user */
    char *pass;            /* NULL: empty */
    char *token;
    struct nj_user **users;
    size_t users_n, nkeys_n;
    /* Open addressing by name and by nkey; index into users + 1.  Names come from the network. */
    uint32_t *places;
    size_t mask;
    uint64_t seed;
    struct nj_user *no_auth_user; /* one of users */
    nj_ed25519_verify_fn verify;
};

/* ---- the table ----------------------------------------------------------------------------------- */

static uint64_t hash(uint64_t seed, const char *s, size_t len)
{
    uint64_t h = seed;
    for (size_t i = 0; i < len; i++) {
        h = (h ^ (uint8_t) s[i]) * UINT64_C(0x100000001b3);
        h ^= h >> 29;
    }
    return h ^ (h >> 32);
}

/* The place of such a user, or the free one where it would be. */
static size_t place_of(const struct nj_auth *a, const char *s, size_t len)
{
    size_t i = (size_t) hash(a->seed, s, len) & a->mask;
    for (; a->places[i] != 0; i = (i + 1) & a->mask) {
        const char *label = nj_user_label(a->users[a->places[i] - 1]);
        if (strlen(label) == len && memcmp(label, s, len) == 0) {
            break;
        }
    }
    return i;
}

static struct nj_user *find(const struct nj_auth *a, const char *s, size_t len)
{
    uint32_t at = a->users_n > 0 ? a->places[place_of(a, s, len)] : 0;
    return at != 0 ? a->users[at - 1] : NULL;
}

/* A name that looks like an nkey is no nkey. */
struct nj_user *nj_auth_user(const struct nj_auth *a, const char *name, size_t len)
{
    struct nj_user *u = find(a, name, len);
    return u != NULL && u->name != NULL ? u : NULL;
}

struct nj_user *nj_auth_nkey(const struct nj_auth *a, const char *nkey)
{
    struct nj_user *u = find(a, nkey, strlen(nkey));
    return u != NULL && u->name == NULL ? u : NULL;
}

struct nj_user *const *nj_auth_users(const struct nj_auth *a, size_t *n_out)
{
    *n_out = a->users_n;
    return a->users;
}

struct nj_user *nj_auth_no_auth_user(const struct nj_auth *a)
{
    return a->no_auth_user;
}

/* ---- life ---------------------------------------------------------------------------------------- */

static char *dup_or_null(const char *s)
{
    return s != NULL && s[0] != '\0' ? nj_strdup(s) : NULL;
}

static void fill_table(struct nj_auth *a, const struct nj_auth_config *config)
{
    size_t places = 4;
    while (places < config->users_n * 2) {
        places *= 2;
    }
    a->users = nj_calloc(config->users_n, sizeof(struct nj_user *));
    a->places = nj_calloc(places, sizeof(uint32_t));
    a->mask = places - 1;
    nj_seed(&a->seed, sizeof(a->seed));
    for (size_t i = 0; i < config->users_n; i++) {
        const char *label = nj_user_label(config->users[i]);
        size_t place = place_of(a, label, strlen(label));
        a->users[a->users_n++] = nj_user_ref(config->users[i]);
        a->nkeys_n += config->users[i]->name == NULL;
        if (a->places[place] == 0) {
            a->places[place] = (uint32_t) a->users_n;
        }
    }
}

struct nj_auth *nj_auth_build(const struct nj_auth_config *config)
{
    struct nj_auth *a = nj_zalloc(sizeof(*a));
    atomic_init(&a->refs, 1);
    a->user = dup_or_null(config->user);
    a->pass = dup_or_null(config->pass);
    a->token = dup_or_null(config->token);
    a->verify = config->verify;
    if (config->users_n > 0) {
        fill_table(a, config);
    }
    if (config->no_auth_user != NULL) {
        a->no_auth_user = find(a, config->no_auth_user, strlen(config->no_auth_user));
    }
    return a;
}

struct nj_auth *nj_auth_new(const char *user, const char *pass, const char *token)
{
    const struct nj_auth_config config = { .user = user, .pass = pass, .token = token };
    return nj_auth_build(&config);
}

struct nj_auth *nj_auth_ref(struct nj_auth *a)
{
    (void) atomic_fetch_add_explicit(&a->refs, 1, memory_order_relaxed);
    return a;
}

static void wipe_string(char *s)
{
    if (s != NULL) {
        nj_wipe(s, strlen(s));
        nj_dealloc(s);
    }
}

void nj_auth_unref(struct nj_auth **ap)
{
    struct nj_auth *a = *ap;
    *ap = NULL;
    if (a == NULL || atomic_fetch_sub_explicit(&a->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (size_t i = 0; i < a->users_n; i++) {
        nj_user_unref(&a->users[i]);
    }
    nj_dealloc(a->users);
    nj_dealloc(a->places);
    nj_dealloc(a->user);
    wipe_string(a->pass);
    wipe_string(a->token);
    nj_dealloc(a);
}

/* ---- what is in it ------------------------------------------------------------------------------- */

bool nj_auth_required(const struct nj_auth *a)
{
    return a->user != NULL || a->token != NULL || a->users_n > 0;
}

bool nj_auth_has_nkeys(const struct nj_auth *a)
{
    return a->nkeys_n > 0;
}

const char *nj_auth_single_user(const struct nj_auth *a)
{
    return a->user;
}

bool nj_is_bcrypt(const char *s)
{
    return s != NULL && s[0] == '$' && s[1] == '2' && s[2] != '\0' &&
           strchr("abxy", s[2]) != NULL && s[3] == '$' && s[4] >= '0' && s[4] <= '9' &&
           s[5] >= '0' && s[5] <= '9' && s[6] == '$';
}

bool nj_auth_has_hashes(const struct nj_auth *a)
{
    bool found = nj_is_bcrypt(a->pass) || nj_is_bcrypt(a->token);
    for (size_t i = 0; !found && i < a->users_n; i++) {
        found = nj_is_bcrypt(a->users[i]->pass);
    }
    return found;
}

bool nj_auth_has_plain_secret(const struct nj_auth *a)
{
    bool found =
        a->token != NULL ? !nj_is_bcrypt(a->token) : a->user != NULL && !nj_is_bcrypt(a->pass);
    for (size_t i = 0; !found && i < a->users_n; i++) {
        found = a->users[i]->name != NULL && !nj_is_bcrypt(a->users[i]->pass);
    }
    return found;
}

/* ---- secrets ------------------------------------------------------------------------------------- */

/* Time depends on the length of what the client sent alone. */
static bool same_secret(const char *configured, const char *offered)
{
    size_t want = strlen(configured);
    size_t have = strlen(offered);
    unsigned char diff = want != have;
    for (size_t i = 0; i < have; i++) {
        diff |= (unsigned char) (offered[i] ^ configured[want == 0 ? 0 : i % want]);
    }
    return diff == 0;
}

static enum nj_auth_answer check_secret(const char *configured, const char *offered,
                                        struct nj_auth_result *out)
{
    configured = configured != NULL ? configured : "";
    offered = offered != NULL ? offered : "";
    if (nj_is_bcrypt(configured)) {
        out->hash = configured;
        out->secret = offered;
        return NJ_AUTH_SLOW;
    }
    return same_secret(configured, offered) ? NJ_AUTH_OK : NJ_AUTH_DENIED;
}

static enum nj_auth_answer check_signature(const struct nj_auth *a, const struct nj_user *u,
                                           const struct nj_credentials *cred,
                                           struct nj_auth_result *out)
{
    uint8_t sig[NJ_NKEY_SIG_LEN];
    if (cred->sig == NULL || cred->sig[0] == '\0') {
        out->why = "Signature missing";
        return NJ_AUTH_DENIED;
    }
    enum nj_sig form = nj_nkey_decode_sig(cred->sig, sig);
    if (form == NJ_SIG_NO_BASE64) {
        out->why = "Signature not valid base64";
    } else if (form != NJ_SIG_OK || a->verify == NULL || cred->nonce == NULL ||
               a->verify(u->key, cred->nonce, strlen(cred->nonce), sig) != NJ_OK) {
        out->why = "Signature not verified";
    } else {
        return NJ_AUTH_OK;
    }
    return NJ_AUTH_DENIED;
}

bool nj_auth_nkey_proven(const struct nj_auth *a, const struct nj_credentials *cred)
{
    uint8_t key[NJ_NKEY_BYTES];
    uint8_t sig[NJ_NKEY_SIG_LEN];
    return a->verify != NULL && cred->nkey != NULL && cred->sig != NULL && cred->nonce != NULL &&
           nj_nkey_decode(cred->nkey, 'U', key) &&
           nj_nkey_decode_sig(cred->sig, sig) == NJ_SIG_OK &&
           a->verify(key, cred->nonce, strlen(cred->nonce), sig) == NJ_OK;
}

/* ---- deciding ------------------------------------------------------------------------------------ */

static bool is_given(const char *s)
{
    return s != NULL && s[0] != '\0';
}

static bool offers_nothing(const struct nj_credentials *c)
{
    return !is_given(c->user) && !is_given(c->pass) && !is_given(c->token);
}

static enum nj_auth_answer admit(struct nj_user *u, struct nj_auth_result *out)
{
    out->user = u;
    return NJ_AUTH_OK;
}

static enum nj_auth_answer check_nkey(const struct nj_auth *a, const struct nj_credentials *cred,
                                      uint32_t type, struct nj_auth_result *out)
{
    struct nj_user *u = nj_auth_nkey(a, cred->nkey);
    if (u == NULL || !nj_user_type_allowed(u, type)) {
        return NJ_AUTH_DENIED;
    }
    out->user = u;
    return u == a->no_auth_user ? NJ_AUTH_OK : check_signature(a, u, cred, out);
}

static enum nj_auth_answer check_user(struct nj_user *u, const struct nj_credentials *cred,
                                      uint32_t type, struct nj_auth_result *out)
{
    if (u == NULL || !nj_user_type_allowed(u, type)) {
        return NJ_AUTH_DENIED;
    }
    out->user = u;
    return check_secret(u->pass, cred->pass, out);
}

static enum nj_auth_answer check_single(const struct nj_auth *a, const struct nj_credentials *cred,
                                        struct nj_auth_result *out)
{
    if (a->token != NULL) {
        return check_secret(a->token, cred->token, out);
    }
    if (a->user == NULL || cred->user == NULL || strcmp(a->user, cred->user) != 0) {
        return NJ_AUTH_DENIED;
    }
    return check_secret(a->pass, cred->pass, out);
}

/* nkeys, then names, then the one user or token: the reference's order. */
enum nj_auth_answer nj_auth_check(const struct nj_auth *a, const struct nj_credentials *cred,
                                  struct nj_auth_result *out)
{
    uint32_t type = cred->type != 0 ? cred->type : NJ_TYPE_STANDARD;
    bool nothing = offers_nothing(cred);
    struct nj_user *nobody = a->no_auth_user;
    *out = (struct nj_auth_result){ 0 };
    if (!nj_auth_required(a)) {
        return NJ_AUTH_OK;
    }
    if (a->nkeys_n > 0 && is_given(cred->nkey)) {
        return check_nkey(a, cred, type, out);
    }
    if (cred->mapped != NULL) {
        return check_user(cred->mapped, cred, type, out);
    }
    if (nothing && nobody != NULL) {
        return nj_user_type_allowed(nobody, type) ? admit(nobody, out) : NJ_AUTH_DENIED;
    }
    if (a->users_n > a->nkeys_n && is_given(cred->user)) {
        return check_user(nj_auth_user(a, cred->user, strlen(cred->user)), cred, type, out);
    }
    return check_single(a, cred, out);
}

/* ---- after a reload ------------------------------------------------------------------------------ */

static bool same_text(const char *a, const char *b)
{
    return strcmp(a != NULL ? a : "", b != NULL ? b : "") == 0;
}

static struct nj_user *again(const struct nj_auth *now, const struct nj_user *was)
{
    return was->name != NULL ? nj_auth_user(now, was->name, strlen(was->name))
                             : nj_auth_nkey(now, was->nkey);
}

static uint32_t type_of(const struct nj_admission *was)
{
    return was->type != 0 ? was->type : NJ_TYPE_STANDARD;
}

static enum nj_recheck recheck_user(const struct nj_admission *was, const struct nj_auth *now,
                                    struct nj_user **user_out)
{
    struct nj_user *u = again(now, was->user);
    if (u == NULL || !same_text(u->account, was->user->account)) {
        return NJ_RECHECK_GONE;
    }
    if (!nj_user_type_allowed(u, type_of(was)) || !same_text(u->pass, was->user->pass)) {
        return NJ_RECHECK_REFUSED;
    }
    *user_out = u;
    return NJ_RECHECK_STAYS;
}

/* It gave a name, which was the single user's, or which nobody asked for. */
static enum nj_recheck recheck_name(const struct nj_admission *was, const struct nj_auth *now,
                                    struct nj_user **user_out)
{
    bool asked = nj_auth_required(was->auth);
    struct nj_user *u = nj_auth_user(now, was->name, strlen(was->name));
    if (u != NULL) { /* the table has the name now: the password must be the one it knew */
        *user_out = u;
        return asked && was->auth->token == NULL && same_text(u->pass, was->auth->pass) &&
                       nj_user_type_allowed(u, type_of(was))
                   ? NJ_RECHECK_STAYS
                   : NJ_RECHECK_REFUSED;
    }
    if (was->auth->token != NULL || now->token != NULL) { /* then the name never counted */
        return same_text(now->token, was->auth->token) ? NJ_RECHECK_STAYS : NJ_RECHECK_REFUSED;
    }
    return now->user != NULL && asked && same_text(now->user, was->auth->user) &&
                   same_text(now->pass, was->auth->pass)
               ? NJ_RECHECK_STAYS
               : NJ_RECHECK_GONE;
}

enum nj_recheck nj_auth_recheck(const struct nj_admission *was, const struct nj_auth *now,
                                struct nj_user **user_out)
{
    bool made = was->user != NULL && (was->user->flags & NJ_USER_MADE) != 0;
    *user_out = was->user;
    if (was->auth == now || made || (!nj_auth_required(was->auth) && !nj_auth_required(now))) {
        return NJ_RECHECK_STAYS;
    }
    if (was->user != NULL) {
        return recheck_user(was, now, user_out);
    }
    if (is_given(was->name)) {
        return recheck_name(was, now, user_out);
    }
    if (!nj_auth_required(now) || (now->token != NULL && same_text(now->token, was->auth->token))) {
        return NJ_RECHECK_STAYS;
    }
    *user_out = now->no_auth_user;
    return now->no_auth_user != NULL && was->auth->token == NULL &&
                   nj_user_type_allowed(now->no_auth_user, type_of(was))
               ? NJ_RECHECK_STAYS
               : NJ_RECHECK_REFUSED;
}

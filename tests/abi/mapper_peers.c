/* mapper_peers.c: peers of all kinds, as a server would describe them. */
#include "tests/abi/mapper.h"

#define CROWD 10000 /* names of one certificate; a server reads no more */

static const uint8_t spki[32] = { 1, 2, 3 };
/* A certificate is an ASN.1 sequence; nobody here looks inside. */
static const uint8_t der[] = { 0x30, 0x03, 0x02, 0x01, 0x05 };
static const struct nj_span chain[] = { { der, sizeof(der) }, { der, sizeof(der) } };

#define NAME(k, t, o, v)                                                                           \
    {                                                                                              \
        .size = sizeof(struct nj_authmap_name), .kind = (k), .type = (t), .oid = (o), .value = {   \
            (const uint8_t *) (v),                                                                 \
            sizeof(v) - 1                                                                          \
        }                                                                                          \
    }

static const struct nj_authmap_name plain[] = {
    NAME(NJ_AUTHMAP_NAME_ATTRIBUTE, "C", "2.5.4.6", "CZ"),
    NAME(NJ_AUTHMAP_NAME_ATTRIBUTE, "O", "2.5.4.10", "Acme, Inc."),
    NAME(NJ_AUTHMAP_NAME_ATTRIBUTE, "OU", "2.5.4.11", "engine"),
    NAME(NJ_AUTHMAP_NAME_ATTRIBUTE, "OU", "2.5.4.11", "sales"),
    NAME(NJ_AUTHMAP_NAME_ATTRIBUTE, "CN", "2.5.4.3", "alice"),
    NAME(NJ_AUTHMAP_NAME_ATTRIBUTE, "1.2.3.4", "1.2.3.4", "private"),
    NAME(NJ_AUTHMAP_NAME_EMAIL, "email", NULL, "alice@example.org"),
    NAME(NJ_AUTHMAP_NAME_DNS, "dns", NULL, "alice.example.org"),
    NAME(NJ_AUTHMAP_NAME_URI, "uri", NULL, "spiffe://example.org/alice"),
    NAME(NJ_AUTHMAP_NAME_IP, "ip", NULL, "192.0.2.7"),
};

static const struct nj_authmap_name odd[] = {
    NAME(NJ_AUTHMAP_NAME_ATTRIBUTE, "CN", "2.5.4.3", "alice\0.evil"),
    NAME(NJ_AUTHMAP_NAME_ATTRIBUTE, "O", "2.5.4.10", ""),
    NAME(NJ_AUTHMAP_NAME_ATTRIBUTE, "OU", "2.5.4.11", "x, CN=admin"),
    NAME(NJ_AUTHMAP_NAME_DNS, "dns", NULL, "*.example.org"),
    NAME(NJ_AUTHMAP_NAME_URI, "uri", NULL, "\r\n\x1b[31m"),
    NAME(NJ_AUTHMAP_NAME_EMAIL, "email", NULL, "\xff\xfe$1 %s %n"),
};

static struct nj_authmap_facts base(void)
{
    struct nj_authmap_facts f = { .size = sizeof(f),
                                  .kind = NJ_AUTHMAP_CLIENT,
                                  .client_id = 7,
                                  .address = "192.0.2.7",
                                  .port = 40000,
                                  .subject = "",
                                  .common_name = "",
                                  .name = "kit",
                                  .lang = "c",
                                  .version = "1" };
    return f;
}

static void add_names(struct nj_authmap_facts *f, const struct nj_authmap_name *names, size_t n)
{
    static const struct nj_authmap_name *list[CROWD];
    for (size_t i = 0; i < n; i++) {
        list[i] = &names[i];
    }
    f->names = list;
    f->names_n = n;
    f->chain = chain;
    f->chain_n = 2;
    f->spki_sha256 = spki;
    f->subject = "CN=alice,O=Acme";
    f->common_name = "alice";
    f->tls_version = 0x0304;
    f->tls_suite = 0x1301;
}

const struct nj_authmap_facts *nj_kit_peer_named(int verified, int names)
{
    static struct nj_authmap_facts f;
    f = base();
    if (names) {
        add_names(&f, plain, sizeof(plain) / sizeof(plain[0]));
    } else {
        f.tls_version = 0x0304;
        f.tls_suite = 0x1301;
    }
    f.tls_verified = (uint32_t) (names && verified);
    return &f;
}

/* As many names as a server reads, one of them long. */
static void add_crowd(struct nj_authmap_facts *f)
{
    static char text[65536];
    static struct nj_authmap_name crowd[CROWD];
    memset(text, 'a', sizeof(text) - 1);
    for (size_t i = 0; i < CROWD; i++) {
        crowd[i] = plain[i % 2 == 0 ? 7 : 8];
        crowd[i].value.ptr = (const uint8_t *) text;
        crowd[i].value.len = i == 0 ? sizeof(text) - 1 : 40;
    }
    add_names(f, crowd, CROWD);
    f->tls_verified = 1;
}

static void say_secrets(struct nj_authmap_facts *f)
{
    f->user = "somebody";
    f->pass = NJ_KIT_SECRET;
    f->token = NJ_KIT_SECRET;
    f->jwt = NJ_KIT_SECRET;
    f->nkey = "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4";
}

const struct nj_authmap_facts *nj_kit_peer(size_t i, const char **what)
{
    static const char *const whats[] = { "one that says nothing",
                                         "one with user, password, token and JWT",
                                         "one with a verified certificate",
                                         "one with a certificate that nobody checked",
                                         "a resumed session",
                                         "one with odd names",
                                         "one with 10000 names",
                                         "one with an IPv6 address",
                                         "one of a server that knows fewer facts" };
    static struct nj_authmap_facts f;
    if (i >= sizeof(whats) / sizeof(whats[0])) {
        return NULL;
    }
    *what = whats[i];
    f = i >= 2 && i <= 4 ? *nj_kit_peer_named(i != 3, 1) : base();
    f.tls_resumed = i == 4;
    if (i == 1) {
        say_secrets(&f);
    } else if (i == 5) {
        add_names(&f, odd, sizeof(odd) / sizeof(odd[0]));
        f.tls_verified = 1;
    } else if (i == 6) {
        add_crowd(&f);
    } else if (i == 7) {
        f.address = "2001:db8::1";
    } else if (i == 8) {
        f.size = offsetof(struct nj_authmap_facts, nkey_proven);
    }
    return &f;
}

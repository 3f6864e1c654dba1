/*
 * The ClientHello reader (tls/hello.h): what it says of the first bytes it says of all of them,
 * unless it asked for more.
 *
 * Input: cuts, then the first bytes of a connection.
 */
#include "tls/hello.h"

#include <stdlib.h>

#include "base/buf.h"
#include "natterjack/plugin.h"
#include "tests/fuzz/fuzz.h"

/* A list of 16-bit numbers: whole numbers only, inside the body. */
static void check_list(const struct nj_hello *hello, struct nj_span list, const char *what)
{
    FUZZ_CHECK(list.len == 0 || (list.ptr >= hello->body &&
                                 list.ptr + list.len <= hello->body + hello->body_len),
               "%s lies outside the hello", what);
    for (size_t i = 0; i < nj_hello_count(list); i++) {
        FUZZ_CHECK(nj_hello_has(list, nj_hello_at(list, i)), "%s has not what it has", what);
    }
}

static void put_span(struct nj_buf *out, const char *name, struct nj_span s)
{
    (void) nj_buf_printf(out, " %s ", name);
    (void) nj_buf_append(out, s.ptr, s.len);
}

static void put_alpn(struct nj_buf *out, struct nj_span rest)
{
    struct nj_span name;
    while (nj_hello_next_alpn(&rest, &name)) {
        put_span(out, "protocol", name);
    }
}

static void judge(const struct nj_hello *hello, struct nj_buf *out)
{
    static const uint16_t suites[] = { 0x1301, 0xc02b, 0xc02f };
    static const uint16_t groups[] = { 29, 23 };
    struct nj_tls_settings set = {
        .size = sizeof(set),
        .role = NJ_TLS_ROLE_ACCEPT,
        .min_version = NJ_TLS_1_2,
        .max_version = NJ_TLS_1_3,
        .suites = suites,
        .suites_n = sizeof(suites) / sizeof(suites[0]),
        .groups = groups,
        .groups_n = sizeof(groups) / sizeof(groups[0]),
    };
    struct nj_error err = NJ_ERROR_INIT;
    int rc = nj_hello_judge(hello, &set, &err);
    FUZZ_CHECK(rc == NJ_OK || (rc == NJ_E_DENIED && err.text[0] != '\0'), "judged %d", rc);
    (void) nj_buf_printf(out, " judged %d %s", rc, err.text);
}

static void put_hello(struct nj_buf *out, const struct nj_hello *hello)
{
    check_list(hello, hello->suites, "suites");
    check_list(hello, hello->versions, "versions");
    check_list(hello, hello->groups, "groups");
    check_list(hello, hello->signatures, "signatures");
    check_list(hello, hello->server_name, "server_name");
    check_list(hello, hello->alpn, "alpn");
    put_span(out, "name", hello->server_name);
    put_span(out, "suites", hello->suites);
    put_span(out, "versions", hello->versions);
    put_span(out, "groups", hello->groups);
    put_span(out, "signatures", hello->signatures);
    put_alpn(out, hello->alpn);
    (void) nj_buf_printf(out, " version %x 1.3 %d", hello->legacy_version,
                         nj_hello_offers_version(hello, NJ_TLS_1_3));
    judge(hello, out);
}

static int read_hello(const uint8_t *bytes, size_t len, struct nj_buf *out)
{
    struct nj_hello hello = { 0 };
    struct nj_error err = NJ_ERROR_INIT;
    uint8_t *copy = fuzz_copy(bytes, len);
    nj_buf_clear(out);
    int rc = nj_hello_read(&hello, copy, len, &err);
    free(copy); /* what is read is copied */
    if (rc == NJ_OK) {
        put_hello(out, &hello);
    } else if (rc != NJ_NEED_IN) {
        FUZZ_CHECK(rc == NJ_E_INVALID || rc == NJ_E_LIMIT, "result %d", rc);
        FUZZ_CHECK(err.text[0] != '\0', "refused without a word");
        (void) nj_buf_printf(out, "refused %d class %u alert %d %s", rc, err.cls, err.alert,
                             err.text);
    } else {
        FUZZ_CHECK(len < NJ_HELLO_BUFFER_MAX, "more is wanted after %zu bytes", len);
    }
    nj_hello_fini(&hello);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct fuzz_in in = { data, len };
    struct fuzz_cuts cuts;
    struct nj_buf whole, part;
    fuzz_cuts_take(&cuts, &in);
    nj_buf_init(&whole, SIZE_MAX);
    nj_buf_init(&part, SIZE_MAX);
    int rc = read_hello(in.ptr, in.len, &whole);
    for (size_t have = 0; have < in.len;) {
        have += fuzz_cuts_next(&cuts, in.len - have);
        int part_rc = read_hello(in.ptr, have, &part);
        if (part_rc != NJ_NEED_IN) {
            FUZZ_CHECK(part_rc == rc, "%zu of %zu bytes: %d, all of them: %d", have, in.len,
                       part_rc, rc);
            fuzz_same(&whole, &part, "hellos");
            break;
        }
    }
    nj_buf_free(&whole);
    nj_buf_free(&part);
    return 0;
}

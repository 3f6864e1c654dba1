/* test_parse.c: bytes of a client -> operations, whatever the way they are cut into reads. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/payload.h"
#include "base/random.h"
#include "natterjack/plugin.h"
#include "proto/parse.h"

#define LINE_MOST 64 /* max_control_line of most tests */

static void put_text(struct nj_buf *log, struct nj_text t)
{
    (void) nj_buf_putc(log, '[');
    (void) nj_buf_append(log, t.ptr, t.ptr != NULL ? t.len : 0);
    (void) nj_buf_putc(log, ']');
}

static void put_pub(struct nj_buf *log, const struct nj_event *ev, const char *name)
{
    (void) nj_buf_puts(log, name);
    put_text(log, ev->subject);
    put_text(log, ev->reply);
    if (ev->headers) {
        put_text(log, ev->hdr_digits);
    }
    put_text(log, ev->size_digits);
    (void) nj_buf_printf(log, "%u/%u", ev->hdr_len, ev->size);
}

/* One operation, in words that the tables below compare. */
static void put_event(struct nj_buf *log, const struct nj_event *ev)
{
    static const char *const simple[] = { [NJ_OP_PING] = "PING", [NJ_OP_PONG] = "PONG",
                                          [NJ_OP_OK] = "OK" };
    static const char *const with_arg[] = { [NJ_OP_CONNECT] = "CONNECT", [NJ_OP_INFO] = "INFO",
                                            [NJ_OP_ERR] = "ERR" };
    switch (ev->op) {
    case NJ_OP_PUB_LINE:
        put_pub(log, ev, ev->headers ? "HLINE" : "LINE");
        break;
    case NJ_OP_PUB:
        put_pub(log, ev, ev->headers ? "HPUB" : "PUB");
        put_text(log, (struct nj_text){ (const char *) ev->payload, ev->size });
        ck_assert_mem_eq(ev->payload + ev->size, "\r\n", 2);
        if (ev->shared != NULL) {
            ck_assert_ptr_eq(ev->payload, ev->shared->bytes);
        }
        break;
    case NJ_OP_SUB:
        (void) nj_buf_puts(log, "SUB");
        put_text(log, ev->subject);
        put_text(log, ev->queue);
        put_text(log, ev->sid);
        break;
    case NJ_OP_UNSUB:
        (void) nj_buf_puts(log, "UNSUB");
        put_text(log, ev->sid);
        put_text(log, ev->max);
        break;
    case NJ_OP_CONNECT:
    case NJ_OP_INFO:
    case NJ_OP_ERR:
        (void) nj_buf_puts(log, with_arg[ev->op]);
        put_text(log, ev->arg);
        break;
    default:
        ck_assert_int_ne(ev->op, NJ_OP_NONE);
        (void) nj_buf_puts(log, simple[ev->op]);
        break;
    }
    (void) nj_buf_putc(log, ' ');
}

static void put_error(struct nj_buf *log, const struct nj_event *ev, size_t at)
{
    static const char *const names[] = {
        [NJ_PARSE_UNKNOWN_OP] = "unknown",
        [NJ_PARSE_CONTROL_LINE] = "line",
        [NJ_PARSE_MAX_PAYLOAD] = "payload",
        [NJ_PARSE_PUB_ARGS] = "pub args",
        [NJ_PARSE_PUB_SIZE] = "pub size",
        [NJ_PARSE_HPUB_ARGS] = "hpub args",
        [NJ_PARSE_HPUB_HEADER_SIZE] = "header size",
        [NJ_PARSE_HPUB_TOTAL_SIZE] = "total size",
        [NJ_PARSE_HPUB_HEADER_LARGER] = "header larger",
        [NJ_PARSE_HEADERS_OFF] = "headers off",
        [NJ_PARSE_SUB_ARGS] = "sub args",
        [NJ_PARSE_UNSUB_ARGS] = "unsub args",
    };
    (void) nj_buf_printf(log, "!%s", names[ev->error]);
    if (ev->error == NJ_PARSE_UNKNOWN_OP) {
        (void) nj_buf_printf(log, " state=%d at=%zu", ev->state, at);
    }
}

struct run {
    struct nj_parser p;
    struct nj_buf log;
    size_t before; /* bytes of earlier reads */
};

static void run_begin(struct run *r)
{
    *r = (struct run){ 0 };
    nj_parser_init(&r->p);
    r->p.max_control_line = LINE_MOST;
    r->p.max_payload = 100;
    r->p.headers_on = true;
    nj_buf_init(&r->log, SIZE_MAX);
}

static void run_end(struct run *r)
{
    nj_parser_fini(&r->p);
    nj_buf_free(&r->log);
}

/* One read: the bytes lie in memory of their own that is gone afterwards. */
static int feed(struct run *r, const char *bytes, size_t len)
{
    uint8_t *in = malloc(len > 0 ? len : 1);
    size_t used = 0;
    int rc = NJ_OK;
    memcpy(in, bytes, len);
    while (rc == NJ_OK) {
        struct nj_event ev;
        size_t n = 0;
        memset(&ev, 0xee, sizeof(ev));
        rc = nj_parse(&r->p, in + used, len - used, &n, &ev);
        ck_assert_uint_le(n, len - used);
        used += n;
        if (rc == NJ_OK) {
            put_event(&r->log, &ev);
        } else if (rc == NJ_E_INVALID) {
            bool known = ev.error == NJ_PARSE_UNKNOWN_OP;
            ck_assert(!known || (ev.at >= in && ev.at < in + len));
            put_error(&r->log, &ev, known ? r->before + (size_t) (ev.at - in) : 0);
        } else {
            ck_assert_int_eq(rc, NJ_NEED_IN);
            ck_assert_uint_eq(used, len);
        }
    }
    r->before += len;
    free(in);
    return rc;
}

static const char *text_of(const struct run *r)
{
    return r->log.ptr != NULL ? r->log.ptr : "";
}

struct row {
    const char *in;
    const char *out;
};

static const struct row rows[] = {
    /* verbs, in any case */
    { "PING\r\n", "PING " },
    { "pInG\r\nPONG\r\n+ok\r\n", "PING PONG OK " },
    { "PINGfoo bar\tbaz\r\nPONG \r\r\n+OK anything\n", "PING PONG OK " },
    { "PING\nPING\n", "PING PING " },
    { "sub a 1\r\nuNsUb 1\r\n", "SUB[a][][1] UNSUB[1][] " },
    { "-err x y\r\n", "ERR[x y] " },
    { "-ERR \nx\r\n", "ERR[\nx] " },
    /* CONNECT and INFO need no blank; LF is the argument's when it is its first byte */
    { "CONNECT {}\r\nCONNECT{}\nconnect \t{\"a\":1} \r\n",
      "CONNECT[{}] CONNECT[{}] CONNECT[{\"a\":1} ] " },
    { "CONNECT\n{}\nPING\r\n", "CONNECT[\n{}] PING " },
    { "INFO {\"x\":\"y\"}\r\nINFO{}\r\n", "INFO[{\"x\":\"y\"}] INFO[{}] " },
    /* blanks: SP and TAB, any number, also at the end */
    { "SUB\ta\t \tq  1 \t\r\n", "SUB[a][q][1] " },
    { "SUB foo.> g 90\n", "SUB[foo.>][g][90] " },
    { "UNSUB  1  7\r\n", "UNSUB[1][7] " },
    { "PUB a 2\r\nhi\r\n", "PUB[a][][2]0/2[hi] " },
    { "pub  a\tr.e \t 2 \r\nhi\r\nPING\r\n", "PUB[a][r.e][2]0/2[hi] PING " },
    { "PUB a 0\r\n\r\nPUB b 0\n\r\n", "PUB[a][][0]0/0[] PUB[b][][0]0/0[] " },
    { "PUB a 000000002\r\nhi\r\n", "PUB[a][][000000002]0/2[hi] " },
    { "PUB a 6\r\n\r\n\r\n\r\n\r\n", "PUB[a][][6]0/6[\r\n\r\n\r\n] " },
    { "HPUB a 2 4\r\nxxyy\r\n", "HPUB[a][][2][4]2/4[xxyy] " },
    { "hpub a r 00 04\r\nxxyy\r\n", "HPUB[a][r][00][04]0/4[xxyy] " },
    { "HPUB a 4 4\r\nxxyy\r\n", "HPUB[a][][4][4]4/4[xxyy] " },
    /* CR and LF divide the arguments of SUB and UNSUB, but not those of PUB */
    { "SUB a\rb 1\r\n", "SUB[a][b][1] " },
    { "SUB \n a 1\r\n", "SUB[a][][1] " },
    { "SUB a 1\r\r\n", "SUB[a][][1] " },
    { "UNSUB \n1\r\n", "UNSUB[1][] " },
    { "UNSUB 1\r2\r\n", "UNSUB[1][2] " },
    { "PUB \n a 2\r\nhi\r\n", "PUB[\n][a][2]0/2[hi] " },
    { "PUB a\rb 2\r\nhi\r\n", "PUB[a\rb][][2]0/2[hi] " },
    /* what is no operation: the state is counted as the reference does */
    { "\r\n", "!unknown state=0 at=0" },
    { "\n", "!unknown state=0 at=0" },
    { "X", "!unknown state=0 at=0" },
    { "RS+ $G a\r\n", "!unknown state=0 at=0" },
    { "MSG a 1 0\r\n", "!unknown state=0 at=0" },
    { "GET / HTTP/1.1\r\n", "!unknown state=0 at=0" },
    { "PING\r\nZ", "PING !unknown state=0 at=6" },
    { "PX", "!unknown state=29 at=1" },
    { "PUx", "!unknown state=30 at=2" },
    { "PUB\r\n", "!unknown state=31 at=3" },
    { "PIX", "!unknown state=34 at=2" },
    { "PINX", "!unknown state=35 at=3" },
    { "POX", "!unknown state=37 at=2" },
    { "SUB\r\n", "!unknown state=45 at=3" },
    { "SUBS a 1\r\n", "!unknown state=45 at=3" },
    { "UNSUB\r\n", "!unknown state=63 at=5" },
    { "UNSUX", "!unknown state=62 at=4" },
    { "HPUB\n", "!unknown state=21 at=4" },
    { "CONNECX", "!unknown state=15 at=6" },
    { "INFX", "!unknown state=73 at=3" },
    { "+OX", "!unknown state=2 at=2" },
    { "-ERR\r\n", "!unknown state=7 at=4" },
    /* the payload's end is CR and then LF */
    { "PUB a 2\r\nhi\n", "!unknown state=41 at=11" },
    { "PUB a 2\r\nhix\n", "!unknown state=41 at=11" },
    { "PUB a 2\r\nhi\rx", "!unknown state=42 at=12" },
    { "PUB a 2\r\nhi\r\r", "!unknown state=42 at=12" },
    { "PUB a 0\r\nPING\r\n", "!unknown state=41 at=9" },
    /* arguments */
    { "PUB \r\n", "!pub args" },
    { "PUB a\r\n", "!pub args" },
    { "PUB a b c 1\r\n", "!pub args" },
    { "PUB a x\r\n", "!pub size" },
    { "PUB a -1\r\n", "!pub size" },
    { "PUB a +1\r\n", "!pub size" },
    { "PUB a 1x\r\n", "!pub size" },
    { "PUB a 1\r\r\n", "!pub size" },
    { "PUB a 0000000001\r\n", "!pub size" },
    { "PUB a 4294967298\r\n", "!pub size" },
    { "HPUB a 1\r\n", "!hpub args" },
    { "HPUB a b c 1 1\r\n", "!hpub args" },
    { "HPUB a x 1\r\n", "!header size" },
    { "HPUB a 1 x\r\n", "!total size" },
    { "HPUB a x x\r\n", "!header size" },
    { "HPUB a 3 2\r\n", "!header larger" },
    { "SUB \r\n", "!sub args" },
    { "SUB a\r\n", "!sub args" },
    { "SUB a b c d\r\n", "!sub args" },
    { "SUB a \n 1\r\n", "!sub args" },
    { "UNSUB \r\n", "!unsub args" },
    { "UNSUB 1 2 3\r\n", "!unsub args" },
    /* max_payload is 100 here: equal passes the control line */
    { "PUB a 101\r\n", "!payload" },
    { "PUB a 999999999\r\n", "!payload" },
    { "HPUB a 1 101\r\n", "!payload" },
    { "HPUB a 102 101\r\n", "!header larger" },
    { "PUB a 100\r\n", "" },
    { "PUB a 1", "" },
    { "", "" },
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

START_TEST(each_input_gives_its_operations)
{
    const struct row *row = &rows[_i];
    struct run r;
    run_begin(&r);

    (void) feed(&r, row->in, strlen(row->in));

    ck_assert_msg(strcmp(text_of(&r), row->out) == 0, "row %d: %s, not %s", _i, text_of(&r),
                  row->out);
    run_end(&r);
}
END_TEST

START_TEST(each_input_cut_in_two_gives_the_same)
{
    const struct row *row = &rows[_i];
    size_t len = strlen(row->in);
    for (size_t cut = 0; cut <= len; cut++) {
        struct run r;
        run_begin(&r);

        if (feed(&r, row->in, cut) == NJ_NEED_IN) {
            (void) feed(&r, row->in + cut, len - cut);
        }

        ck_assert_msg(strcmp(text_of(&r), row->out) == 0, "row %d cut at %zu: %s, not %s", _i, cut,
                      text_of(&r), row->out);
        run_end(&r);
    }
}
END_TEST

START_TEST(each_input_byte_by_byte_gives_the_same)
{
    const struct row *row = &rows[_i];
    struct run r;
    run_begin(&r);

    int rc = NJ_NEED_IN;
    for (const char *p = row->in; *p != '\0' && rc == NJ_NEED_IN; p++) {
        rc = feed(&r, p, 1);
    }

    ck_assert_msg(strcmp(text_of(&r), row->out) == 0, "row %d: %s, not %s", _i, text_of(&r),
                  row->out);
    run_end(&r);
}
END_TEST

START_TEST(the_line_comes_before_its_payload_when_asked_for)
{
    static const char in[] = "PUB a r 2\r\nhi\r\nHPUB b 1 2\r\nxy\r\nPING\r\n";
    static const char out[] = "LINE[a][r][2]0/2 PUB[a][r][2]0/2[hi] "
                              "HLINE[b][][1][2]1/2 HPUB[b][][1][2]1/2[xy] PING ";
    for (size_t cut = 0; cut < sizeof(in); cut++) {
        struct run r;
        run_begin(&r);
        r.p.line_events = true;

        (void) feed(&r, in, cut);
        (void) feed(&r, in + cut, sizeof(in) - 1 - cut);

        ck_assert_str_eq(text_of(&r), out);
        run_end(&r);
    }
}
END_TEST

START_TEST(headers_that_are_off_are_refused)
{
    struct run r;
    run_begin(&r);
    r.p.headers_on = false;

    (void) feed(&r, "HPUB a x y z q w\r\n", 18);

    ck_assert_str_eq(text_of(&r), "!headers off");
    run_end(&r);
}
END_TEST

START_TEST(no_limit_on_payloads_is_a_negative_one)
{
    struct run r;
    run_begin(&r);
    r.p.max_payload = -1;

    ck_assert_int_eq(feed(&r, "PUB a 101\r\n", 11), NJ_NEED_IN);

    run_end(&r);
}
END_TEST

/* ---- the control line ---------------------------------------------------------------------------- */

/* `before`, then n bytes of argument ("a…a 1"), then `after`; cut at `cut`. */
static void long_line(struct run *r, const char *before, size_t n, const char *after, size_t cut)
{
    struct nj_buf b;
    nj_buf_init(&b, SIZE_MAX);
    (void) nj_buf_puts(&b, before);
    for (size_t i = 0; i + 2 < n; i++) {
        (void) nj_buf_putc(&b, 'a');
    }
    (void) nj_buf_puts(&b, " 1");
    (void) nj_buf_puts(&b, after);
    if (cut > b.len) {
        cut = b.len;
    }
    if (feed(r, b.ptr, cut) == NJ_NEED_IN) {
        (void) feed(r, b.ptr + cut, b.len - cut);
    }
    nj_buf_free(&b);
}

START_TEST(a_line_of_the_limit_passes_and_one_byte_more_does_not)
{
    static const char *const verbs[] = { "SUB ", "sub \t  ", "CONNECT", "INFO ", "-ERR " };
    static const char *const ends[] = { "\r\n", "\n" };
    for (size_t v = 0; v < 5; v++) {
        for (size_t e = 0; e < 2; e++) {
            for (size_t cut = 0; cut < 4096 + 20; cut += cut > 3 && cut < 4080 ? 997 : 1) {
                struct run r;
                run_begin(&r);
                r.p.max_control_line = 4096;
                long_line(&r, verbs[v], 4096, ends[e], cut);
                ck_assert_msg(text_of(&r)[0] != '!', "verb %zu end %zu cut %zu", v, e, cut);
                ck_assert_uint_gt(r.log.len, 4096);
                run_end(&r);

                run_begin(&r);
                r.p.max_control_line = 4096;
                long_line(&r, verbs[v], 4097, ends[e], cut);
                ck_assert_str_eq(text_of(&r), "!line");
                run_end(&r);
            }
        }
    }
}
END_TEST

START_TEST(a_line_without_end_is_refused_as_soon_as_it_is_too_long)
{
    static const struct row unfinished[] = { { "", "" }, { "\r", "" }, { "\rx", "!line" },
                                             { "x", "!line" }, { "x\r", "!line" } };
    for (size_t i = 0; i < 5; i++) {
        for (size_t cut = 0; cut < 4096 + 20; cut += cut > 3 && cut < 4080 ? 997 : 1) {
            struct run r;
            run_begin(&r);
            r.p.max_control_line = 4096;

            long_line(&r, "SUB ", 4096, unfinished[i].in, cut);

            ck_assert_str_eq(text_of(&r), unfinished[i].out);
            run_end(&r);
        }
    }
}
END_TEST

START_TEST(what_follows_ping_has_no_limit)
{
    struct run r;
    run_begin(&r);
    char x[1000];
    memset(x, 'x', sizeof(x));

    (void) feed(&r, "PING ", 5);
    for (int i = 0; i < 9; i++) {
        ck_assert_int_eq(feed(&r, x, sizeof(x)), NJ_NEED_IN);
    }
    (void) feed(&r, "\r\n", 2);

    ck_assert_str_eq(text_of(&r), "PING ");
    run_end(&r);
}
END_TEST

START_TEST(a_limit_that_is_lowered_holds_for_the_line_under_way)
{
    struct run r;
    run_begin(&r);
    (void) feed(&r, "SUB abcdefgh 1", 14);

    r.p.max_control_line = 9;
    (void) feed(&r, "\r\n", 2);

    ck_assert_str_eq(text_of(&r), "!line");
    run_end(&r);
}
END_TEST

/* ---- memory ------------------------------------------------------------------------------------------ */

START_TEST(whole_operations_point_into_the_input_and_own_nothing)
{
    static const uint8_t in[] = "PUB a 2\r\nhi\r\nSUB b 1\r\n";
    struct nj_parser p;
    struct nj_event ev;
    size_t n;
    nj_parser_init(&p);
    p.max_control_line = LINE_MOST;
    p.max_payload = 100;

    ck_assert_int_eq(nj_parse(&p, in, sizeof(in) - 1, &n, &ev), NJ_OK);
    ck_assert_ptr_eq(ev.payload, in + 9);
    ck_assert_ptr_eq(ev.subject.ptr, in + 4);
    ck_assert_ptr_null(ev.shared);
    ck_assert_ptr_null(p.line);
    ck_assert_ptr_null(p.payload);
    ck_assert_int_eq(nj_parse(&p, in + n, sizeof(in) - 1 - n, &n, &ev), NJ_OK);
    ck_assert_ptr_eq(ev.subject.ptr, in + 17);
    ck_assert_ptr_null(p.line);

    nj_parser_fini(&p);
}
END_TEST

START_TEST(what_was_kept_is_given_back_at_the_next_operation)
{
    struct run r;
    run_begin(&r);

    (void) feed(&r, "PUB a", 5);
    ck_assert_ptr_nonnull(r.p.line);
    (void) feed(&r, " 4\r\nab", 6);
    ck_assert_ptr_nonnull(r.p.payload);
    ck_assert(!nj_parser_at_start(&r.p));
    (void) feed(&r, "cd\r\nP", 5);

    ck_assert_ptr_null(r.p.line);
    ck_assert_ptr_null(r.p.payload);
    ck_assert_str_eq(text_of(&r), "PUB[a][][4]0/4[abcd] ");
    run_end(&r);
}
END_TEST

START_TEST(a_shared_payload_outlives_the_parser)
{
    struct nj_parser p;
    struct nj_event ev;
    size_t n;
    nj_parser_init(&p);
    p.max_control_line = LINE_MOST;
    p.max_payload = 100;
    ck_assert_int_eq(nj_parse(&p, (const uint8_t *) "PUB a 2\r\nh", 10, &n, &ev), NJ_NEED_IN);
    ck_assert_int_eq(nj_parse(&p, (const uint8_t *) "i\r\n", 3, &n, &ev), NJ_OK);
    struct nj_payload *mine = ev.shared;
    ck_assert_ptr_nonnull(mine);
    nj_payload_ref(mine);

    nj_parser_fini(&p);

    ck_assert_mem_eq(mine->bytes, "hi\r\n", 4);
    nj_payload_unref(mine);
}
END_TEST

/* ---- reading to where the payload goes ------------------------------------------------------------------ */

/* As a connection does: what fits the room goes there, the rest is an ordinary read. */
static int feed_direct(struct run *r, const char *bytes, size_t len)
{
    uint8_t *to = NULL;
    size_t room = nj_parser_direct(&r->p, &to);
    size_t n = len < room ? len : room;
    int rc = NJ_NEED_IN;
    if (n > 0) {
        memcpy(to, bytes, n);
        nj_parser_direct_done(&r->p, n);
        r->before += n;
        rc = feed(r, "", 0);
    }
    return rc == NJ_NEED_IN && len > n ? feed(r, bytes + n, len - n) : rc;
}

START_TEST(reading_directly_gives_the_same)
{
    const struct row *row = &rows[_i];
    size_t len = strlen(row->in);
    for (size_t cut = 0; cut <= len; cut++) {
        for (size_t again = cut; again <= len; again++) {
            struct run r;
            run_begin(&r);

            int rc = feed_direct(&r, row->in, cut);
            rc = rc == NJ_NEED_IN ? feed_direct(&r, row->in + cut, again - cut) : rc;
            rc = rc == NJ_NEED_IN ? feed_direct(&r, row->in + again, len - again) : rc;

            ck_assert_msg(strcmp(text_of(&r), row->out) == 0, "row %d cut at %zu and %zu: %s", _i,
                          cut, again, text_of(&r));
            run_end(&r);
        }
    }
}
END_TEST

START_TEST(there_is_no_direct_room_outside_a_payload)
{
    struct run r;
    uint8_t *to = NULL;
    run_begin(&r);
    ck_assert_uint_eq(nj_parser_direct(&r.p, &to), 0);
    (void) feed(&r, "PUB a 10", 8);
    ck_assert_uint_eq(nj_parser_direct(&r.p, &to), 0);

    (void) feed(&r, "\r\nabc", 5);

    ck_assert_uint_eq(nj_parser_direct(&r.p, &to), 7);
    run_end(&r);
}
END_TEST

/* ---- rubbish ------------------------------------------------------------------------------------------------ */

START_TEST(rubbish_is_refused_and_never_more)
{
    static const char *const words[] = { "PUB ",  "HPUB ", "SUB ", "UNSUB ", "PING", "CONNECT ",
                                         "\r\n",  "\n",    "\r",   " ",      "a",    "1",
                                         "99 ",   "\t",    "-ERR", "+OK",    "INFO", "\xff",
                                         "a.b.> ", "0" };
    uint64_t random = UINT64_C(88172645463325252);
    for (int i = 0; i < 20000; i++) {
        struct run r;
        run_begin(&r);
        int rc = NJ_NEED_IN;
        for (int j = 0; j < 30 && rc == NJ_NEED_IN; j++) {
            char some[8];
            uint32_t x = nj_fast_random(&random);
            if (x % 8 == 0) {
                memcpy(some, &x, 4);
                rc = feed_direct(&r, some, 4);
            } else {
                const char *w = words[(x >> 8) % (sizeof(words) / sizeof(words[0]))];
                rc = feed_direct(&r, w, strlen(w));
            }
        }
        ck_assert(rc == NJ_NEED_IN || rc == NJ_E_INVALID);
        run_end(&r);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("parse");
    TCase *tc = tcase_create("operations");
    tcase_add_loop_test(tc, each_input_gives_its_operations, 0, (int) ROWS);
    tcase_add_loop_test(tc, each_input_cut_in_two_gives_the_same, 0, (int) ROWS);
    tcase_add_loop_test(tc, each_input_byte_by_byte_gives_the_same, 0, (int) ROWS);
    tcase_add_test(tc, the_line_comes_before_its_payload_when_asked_for);
    tcase_add_test(tc, headers_that_are_off_are_refused);
    tcase_add_test(tc, no_limit_on_payloads_is_a_negative_one);
    suite_add_tcase(s, tc);
    tc = tcase_create("limits");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, a_line_of_the_limit_passes_and_one_byte_more_does_not);
    tcase_add_test(tc, a_line_without_end_is_refused_as_soon_as_it_is_too_long);
    tcase_add_test(tc, what_follows_ping_has_no_limit);
    tcase_add_test(tc, a_limit_that_is_lowered_holds_for_the_line_under_way);
    suite_add_tcase(s, tc);
    tc = tcase_create("memory");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, whole_operations_point_into_the_input_and_own_nothing);
    tcase_add_test(tc, what_was_kept_is_given_back_at_the_next_operation);
    tcase_add_test(tc, a_shared_payload_outlives_the_parser);
    tcase_add_loop_test(tc, reading_directly_gives_the_same, 0, (int) ROWS);
    tcase_add_test(tc, there_is_no_direct_room_outside_a_payload);
    tcase_add_test(tc, rubbish_is_refused_and_never_more);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}

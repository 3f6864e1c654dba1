/* test_outbox.c: bytes come out in the order they went in, however they are taken. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/random.h"
#include "io/outbox.h"

static struct nj_pool pool;
static struct nj_outbox ob;

static void setup(void)
{
    nj_pool_init(&pool);
    ob = (struct nj_outbox){ 0 };
}

static void teardown(void)
{
    nj_outbox_clear(&ob, &pool);
    ck_assert_ptr_null(ob.first);
    ck_assert_ptr_null(ob.last);
    ck_assert_uint_eq(ob.len, 0);
    nj_pool_fini(&pool);
}

/* The next n bytes are those of `want` from `at` on; then they are taken. */
static void expect(const char *want, size_t n)
{
    size_t seen = 0;
    while (seen < n) {
        struct iovec iov[3];
        size_t bytes = 0;
        int k = nj_outbox_iov(&ob, iov, 3, &bytes);
        size_t sum = 0;
        ck_assert_int_gt(k, 0);
        for (int i = 0; i < k; i++) {
            size_t m = iov[i].iov_len < n - seen ? iov[i].iov_len : n - seen;
            sum += iov[i].iov_len;
            ck_assert_mem_eq(iov[i].iov_base, want + seen, m);
            seen += m;
            nj_outbox_consume(&ob, &pool, m);
            if (m < iov[i].iov_len || i + 1 == k) {
                break;
            }
        }
        ck_assert_uint_le(sum, bytes);
    }
}

START_TEST(random_appends_references_and_takes_keep_the_order)
{
    struct nj_buf all;
    uint64_t random = 31 + (uint64_t) _i;
    size_t taken = 0;
    char some[40000];
    nj_buf_init(&all, SIZE_MAX);
    for (int step = 0; step < 1500; step++) {
        size_t n = nj_fast_random(&random) % (step % 7 == 0 ? sizeof(some) : 300);
        memset(some, 'a' + step % 26, n);
        struct nj_payload *p;
        switch (nj_fast_random(&random) % 5) {
        case 0:
            nj_outbox_append(&ob, &pool, some, n);
            (void) nj_buf_append(&all, some, n);
            break;
        case 1:
            p = nj_payload_new(n + 5);
            memset(p->bytes, 'A' + step % 26, n + 5);
            nj_outbox_append_ref(&ob, &pool, p, 3, n);
            (void) nj_buf_append(&all, p->bytes + 3, n);
            nj_payload_unref(p);
            break;
        case 2:
            n = n > NJ_PIECE_BIG ? NJ_PIECE_BIG : n;
            memcpy(nj_outbox_reserve(&ob, &pool, n), some, n);
            nj_outbox_commit(&ob, n);
            (void) nj_buf_append(&all, some, n);
            break;
        default:
            n = n > ob.len ? ob.len : n;
            expect(all.ptr != NULL ? all.ptr + taken : "", n);
            taken += n;
            break;
        }
        ck_assert_uint_eq(ob.len, all.len - taken);
    }
    expect(all.ptr + taken, ob.len);
    nj_buf_free(&all);
}
END_TEST

START_TEST(small_answers_share_one_small_piece)
{
    for (int i = 0; i < 50; i++) {
        nj_outbox_append(&ob, &pool, "PONG\r\n", 6);
    }

    ck_assert_uint_eq(nj_outbox_pieces(&ob), 1);
    ck_assert_uint_eq(ob.first->cap, NJ_PIECE_SMALL);
}
END_TEST

START_TEST(reserving_less_than_committing_leaves_the_rest_free)
{
    uint8_t *a = nj_outbox_reserve(&ob, &pool, 1000);
    memcpy(a, "abc", 3);
    nj_outbox_commit(&ob, 3);

    uint8_t *b = nj_outbox_reserve(&ob, &pool, 1000);

    ck_assert_ptr_eq(b, a + 3);
    nj_outbox_commit(&ob, 0);
    ck_assert_uint_eq(ob.len, 3);
}
END_TEST

START_TEST(a_payload_is_held_until_its_last_byte_is_taken)
{
    struct nj_payload *p = nj_payload_new(4000);
    struct nj_outbox second = { 0 };
    memset(p->bytes, 'x', 4000);

    nj_outbox_append_ref(&ob, &pool, p, 0, 4000);
    nj_outbox_append_ref(&second, &pool, p, 2000, 2000);
    ck_assert_uint_eq(p->refs, 3);
    nj_outbox_consume(&ob, &pool, 3999);
    ck_assert_uint_eq(p->refs, 3);
    nj_outbox_consume(&ob, &pool, 1);
    ck_assert_uint_eq(p->refs, 2);
    nj_outbox_clear(&second, &pool);

    ck_assert_uint_eq(p->refs, 1);
    nj_payload_unref(p);
}
END_TEST

START_TEST(nothing_is_written_into_a_referenced_payload)
{
    struct nj_payload *p = nj_payload_new(3000);
    memset(p->bytes, 'x', 3000);
    nj_outbox_append_ref(&ob, &pool, p, 0, 100);

    nj_outbox_append(&ob, &pool, "yyyy", 4);

    ck_assert_uint_eq(p->bytes[100], 'x');
    ck_assert_uint_eq(nj_outbox_pieces(&ob), 2);
    nj_payload_unref(p);
}
END_TEST

START_TEST(pieces_come_back_from_the_pool)
{
    nj_outbox_append(&ob, &pool, "a", 1);
    const struct nj_piece *first = ob.first;
    nj_outbox_consume(&ob, &pool, 1);
    ck_assert_uint_eq(pool.small_n, 1);

    nj_outbox_append(&ob, &pool, "b", 1);

    ck_assert_ptr_eq(ob.first, first);
    ck_assert_uint_eq(pool.small_n, 0);
    expect("b", 1);
}
END_TEST

START_TEST(vectors_stop_at_the_number_asked_for)
{
    struct iovec iov[2];
    size_t bytes = 0;
    struct nj_payload *p = nj_payload_new(100);
    memset(p->bytes, 'x', 100);
    for (int i = 0; i < 5; i++) {
        nj_outbox_append_ref(&ob, &pool, p, 0, 10);
    }

    ck_assert_int_eq(nj_outbox_iov(&ob, iov, 2, &bytes), 2);

    ck_assert_uint_eq(bytes, 20);
    nj_payload_unref(p);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("outbox");
    TCase *tc = tcase_create("outbox");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, random_appends_references_and_takes_keep_the_order, 0, 4);
    tcase_add_test(tc, small_answers_share_one_small_piece);
    tcase_add_test(tc, reserving_less_than_committing_leaves_the_rest_free);
    tcase_add_test(tc, a_payload_is_held_until_its_last_byte_is_taken);
    tcase_add_test(tc, nothing_is_written_into_a_referenced_payload);
    tcase_add_test(tc, pieces_come_back_from_the_pool);
    tcase_add_test(tc, vectors_stop_at_the_number_asked_for);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}

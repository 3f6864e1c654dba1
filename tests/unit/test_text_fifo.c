#include <check.h>
#include <stdint.h>
#include <string.h>

#include "base/text_fifo.h"

#define BIG 100000

START_TEST(pieces_stay_as_they_were_until_they_are_dropped)
{
    struct nj_text_fifo f = { NULL, NULL };
    char *piece[4000];
    for (int i = 0; i < 4000; i++) {
        size_t len = (size_t) (i % 97);
        piece[i] = nj_text_fifo_add(&f, len);
        memset(piece[i], i, len);
        if (i >= 1000) {
            for (size_t at = 0; at < (size_t) ((i - 1000) % 97); at++) {
                ck_assert_int_eq((uint8_t) piece[i - 1000][at], (uint8_t) (i - 1000));
            }
            nj_text_fifo_drop(&f);
        }
    }
    nj_text_fifo_free(&f);
    ck_assert_ptr_null(f.oldest);
}
END_TEST

START_TEST(blocks_go_when_all_their_pieces_were_dropped)
{
    struct nj_text_fifo f = { NULL, NULL };
    for (int i = 0; i < 100; i++) {
        (void) nj_text_fifo_add(&f, 1000);
    }
    ck_assert_ptr_ne(f.oldest, f.newest);
    for (int i = 0; i < 100; i++) {
        nj_text_fifo_drop(&f);
    }
    ck_assert_ptr_eq(f.oldest, f.newest);
    char *first = nj_text_fifo_add(&f, 10); /* the last block begins anew */
    nj_text_fifo_drop(&f);
    ck_assert_ptr_eq(nj_text_fifo_add(&f, 10), first);
    nj_text_fifo_free(&f);
}
END_TEST

START_TEST(a_piece_longer_than_a_block_has_one_of_its_own)
{
    struct nj_text_fifo f = { NULL, NULL };
    memset(nj_text_fifo_add(&f, BIG), 'x', BIG);
    char *small = nj_text_fifo_add(&f, 3);
    memcpy(small, "abc", 3);
    nj_text_fifo_drop(&f);
    ck_assert_int_eq(memcmp(small, "abc", 3), 0);
    nj_text_fifo_free(&f);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("text_fifo");
    tcase_add_test(tc, pieces_stay_as_they_were_until_they_are_dropped);
    tcase_add_test(tc, blocks_go_when_all_their_pieces_were_dropped);
    tcase_add_test(tc, a_piece_longer_than_a_block_has_one_of_its_own);
    Suite *s = suite_create("text_fifo");
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}

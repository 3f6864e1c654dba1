/* verdicts.h: the rows of tests/corpus/certs/verdicts.tsv, the reference's decisions. */
#ifndef NJ_TEST_VERDICTS_H
#define NJ_TEST_VERDICTS_H
#include <stdbool.h>
#include <string.h>

#include "natterjack/tls.h"
#include "tests/unit/certs.h"

#define VERDICT_ROWS_MAX 128
#define VERDICT_PREFIX "tls: failed to verify certificate: "

struct verdict_row {
    char line[2048];
    const char *name;
    const char *chain;
    const char *key;
    const char *anchors;
    const char *host;
    const char *dial; /* "accept" or an alert */
    const char *accept;
    const char *dial_text;
    const char *accept_text;
};

static struct verdict_row verdict_rows[VERDICT_ROWS_MAX];
static int verdict_rows_n;

/* The fields of a line, by tabs; false when there are fewer. */
static inline bool verdict_row_split(struct verdict_row *r)
{
    const char **fields[] = { &r->name, &r->chain,  &r->key,       &r->anchors,    &r->host,
                              &r->dial, &r->accept, &r->dial_text, &r->accept_text };
    char *at = r->line;
    for (size_t i = 0; i < 9; i++) {
        *fields[i] = at;
        at += strcspn(at, "\t\n");
        bool last = *at != '\t';
        *at++ = '\0';
        if (last) {
            return i == 8;
        }
    }
    return false;
}

static inline void verdict_rows_read(void)
{
    FILE *table = fopen(certs_path("verdicts.tsv"), "r");
    if (table == NULL) {
        return;
    }
    while (verdict_rows_n < VERDICT_ROWS_MAX) {
        struct verdict_row *r = &verdict_rows[verdict_rows_n];
        if (fgets(r->line, sizeof(r->line), table) == NULL) {
            break;
        }
        if (r->line[0] != '#' && verdict_row_split(r)) {
            verdict_rows_n++;
        }
    }
    (void) fclose(table);
}

static inline bool verdict_has_chain(const struct verdict_row *r)
{
    return strcmp(r->chain, "-") != 0;
}

static inline const char *verdict_expected(const struct verdict_row *r, uint32_t judge)
{
    return judge == NJ_TLS_JUDGE_SERVER ? r->dial : r->accept;
}

/* The words, with the clock CHECKED_AT put into "<now>", cut to what `out` can hold. */
static inline void verdict_expected_text(const struct verdict_row *r, uint32_t judge, char *out,
                                         size_t cap)
{
    const char *text = judge == NJ_TLS_JUDGE_SERVER ? r->dial_text : r->accept_text;
    const char *now = strstr(text, "<now>");
    int before = now != NULL ? (int) (now - text) : (int) strlen(text);
    (void) snprintf(out, cap, "%s%.*s%s%s", verdict_has_chain(r) ? VERDICT_PREFIX : "", before,
                    text, now != NULL ? "2026-11-25T09:40:34Z" : "", now != NULL ? now + 5 : "");
}

#endif

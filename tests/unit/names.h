/* names.h: the tables of tests/corpus/names, for unit tests. */
#ifndef NJ_TEST_NAMES_H
#define NJ_TEST_NAMES_H
#include <stdbool.h>
#include <string.h>

#include "tests/unit/certs.h"

#define NAMES_ROWS_MAX 512
#define NAMES_FIELDS 5

/* A line, its fields by tabs.  Missing fields are "". */
struct names_row {
    char line[8192];
    char *fields[NAMES_FIELDS];
};

struct names_table {
    struct names_row *rows; /* owned */
    int n;
};

/* Turn \xNN into the byte, in place.  Returns the new length. */
static inline size_t names_unescape(char *s)
{
    char *to = s;
    for (const char *from = s; *from != '\0';) {
        unsigned byte = 0;
        if (from[0] == '\\' && from[1] == 'x' && sscanf(from + 2, "%2x", &byte) == 1) {
            *to++ = (char) byte;
            from += 4;
        } else {
            *to++ = *from++;
        }
    }
    *to = '\0';
    return (size_t) (to - s);
}

static inline void names_split(struct names_row *r)
{
    static char nothing[] = "";
    char *at = r->line;
    at[strcspn(at, "\n")] = '\0';
    for (int i = 0; i < NAMES_FIELDS; i++) {
        r->fields[i] = at != NULL ? at : nothing;
        at = at != NULL ? strchr(at, '\t') : NULL;
        if (at != NULL) {
            *at++ = '\0';
        }
    }
}

static inline void names_read(struct names_table *t, const char *file)
{
    char name[128];
    (void) snprintf(name, sizeof(name), "../names/%s", file);
    FILE *f = fopen(certs_path(name), "r");
    t->rows = calloc(NAMES_ROWS_MAX, sizeof(*t->rows));
    t->n = 0;
    if (f == NULL || t->rows == NULL) {
        return;
    }
    while (t->n < NAMES_ROWS_MAX && fgets(t->rows[t->n].line, sizeof(t->rows[0].line), f) != NULL) {
        if (t->rows[t->n].line[0] != '#') {
            names_split(&t->rows[t->n++]);
        }
    }
    (void) fclose(f);
}

/* The row whose first field it is, NULL when there is none. */
static inline struct names_row *names_find(const struct names_table *t, const char *first)
{
    for (int i = 0; i < t->n; i++) {
        if (strcmp(t->rows[i].fields[0], first) == 0) {
            return &t->rows[i];
        }
    }
    return NULL;
}

static inline void names_load(struct certs *c, const char *cert)
{
    char name[96];
    (void) snprintf(name, sizeof(name), "../names/%s", cert);
    certs_load(c, name);
}

#endif

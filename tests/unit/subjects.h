/* subjects.h: reads tests/corpus/subjects.tsv, which was made by asking the reference. */
#ifndef NJ_TEST_SUBJECTS_H
#define NJ_TEST_SUBJECTS_H
#include <check.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct subject_row {
    const char *pattern, *subject;
    bool match, valid, subject_ok;
};

static inline bool yes(const char *field)
{
    return strcmp(field, "yes") == 0;
}

static inline void each_subject_row(void (*fn)(const struct subject_row *r, void *arg), void *arg)
{
    const char *top = getenv("NJ_TEST_SRCDIR");
    char path[4096];
    char *line = NULL;
    size_t cap = 0;
    bool comments = true;
    (void) snprintf(path, sizeof(path), "%s/tests/corpus/subjects.tsv", top != NULL ? top : ".");
    FILE *f = fopen(path, "re");
    ck_assert_msg(f != NULL, "%s cannot be read", path);
    while (getline(&line, &cap, f) > 0) {
        char *fields[6];
        char *rest = line;
        line[strcspn(line, "\n")] = '\0';
        comments = comments && strncmp(line, "# ", 2) == 0;
        for (size_t i = 0; i < 6 && !comments; i++) {
            fields[i] = strsep(&rest, "\t");
            ck_assert_ptr_nonnull(fields[i]);
        }
        if (!comments) {
            struct subject_row r = { fields[0], fields[1], yes(fields[2]), yes(fields[3]),
                                     yes(fields[4]) };
            fn(&r, arg);
        }
    }
    free(line);
    (void) fclose(f);
}

#endif

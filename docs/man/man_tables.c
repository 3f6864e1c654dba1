/*
 * man_tables.c: the parts of the manual that the program knows itself, as Markdown: what --help
 * says behind a line @FLAGS@, the top-level options of the configuration file behind @OPTIONS@.
 */
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "ops/help.h"
#include "ops/option_table.h"

static const char *const reload_words[] = {
    [NJ_RELOAD_NO] = "Cannot be changed by a reload.",
    [NJ_RELOAD_YES] = "A reload takes it.",
    [NJ_RELOAD_NEW] = "A reload takes it for connections made afterwards.",
};

static const char *type_words(const struct nj_option *o)
{
    static const char *const words[] = { [NJ_OPTION_BOOL] = "boolean",
                                         [NJ_OPTION_INT] = "number",
                                         [NJ_OPTION_STRING] = "string",
                                         [NJ_OPTION_DURATION] = "duration" };
    return o->type == NJ_OPTION_OTHER ? NULL : words[o->type];
}

/* As it stands: "<dir>" is no element of HTML, and the blanks of "cert_file, key_file" no emphasis. */
static void put_plain(const char *text)
{
    for (const char *p = text; *p != '\0'; p++) {
        (void) printf(strchr("<*_[\\", *p) != NULL ? "\\%c" : "%c", *p);
    }
}

static void put_stop(const char *text)
{
    size_t len = strlen(text);
    if (len == 0 || text[len - 1] != '.') {
        (void) putchar('.');
    }
}

/* One sentence out of a help text: a capital in front, a stop at the end. */
static void put_sentence(const char *text)
{
    if (strncmp(text, "host[", 5) != 0 && text[0] != '<') {
        (void) putchar(toupper((unsigned char) *text++));
    }
    put_plain(text);
    put_stop(text);
}

static void put_names(const struct nj_option *o)
{
    (void) printf("`%s`", o->name);
    for (size_t i = 0; i < NJ_OPTION_ALIASES && o->alias[i] != NULL; i++) {
        (void) printf(", `%s`", o->alias[i]);
    }
    if (type_words(o) != NULL && o->range != NULL) {
        (void) printf(" *%s* (", type_words(o));
        put_plain(o->range);
        (void) printf(")");
    } else if (type_words(o) != NULL || o->range != NULL) {
        (void) printf(" *");
        put_plain(type_words(o) != NULL ? type_words(o) : o->range);
        (void) printf("*");
    }
}

static void put_option(const struct nj_option *o)
{
    put_names(o);
    (void) printf("\n: ");
    put_sentence(o->help);
    if (o->preset != NULL) {
        (void) printf(" Default: %s.", o->preset);
    }
    if (o->unserved != NULL) {
        (void) printf(" Checked by `-t`, refused at start: ");
        put_plain(o->unserved);
        put_stop(o->unserved);
    } else {
        (void) printf(" %s", reload_words[o->reload]);
    }
    (void) printf("\n\n");
}

static void put_options(void)
{
    for (size_t i = 0; i < nj_option_count(); i++) {
        put_option(nj_option_at(i));
    }
}

static void put_flags(void)
{
    const struct nj_help_row *r;
    bool open = false; /* a row whose text comes with the next */
    for (size_t i = 0; (r = nj_help_row(i)) != NULL; i++) {
        const char *flags = r->flags + strspn(r->flags, " ");
        if (r->text == NULL && flags[0] != '\0') {
            (void) printf("## %.*s\n\n", (int) strcspn(flags, ":"), flags);
        } else if (r->text != NULL && r->text[0] == '\0') {
            (void) printf("`%s`, ", flags);
            open = true;
        } else if (r->text != NULL && flags[0] == '\0') {
            (void) printf("  ");
            put_sentence(r->text);
            (void) printf("\n\n");
        } else if (r->text != NULL) {
            (void) printf("`%s`\n: ", flags);
            put_sentence(r->text);
            (void) printf("\n\n");
            open = false;
        }
    }
    if (open) {
        (void) printf("\n");
    }
}

int main(void)
{
    (void) puts("@FLAGS@");
    put_flags();
    (void) puts("@OPTIONS@");
    put_options();
    return ferror(stdout) != 0 || fflush(stdout) != 0;
}

/* help.h: what --help, --help_tls and --version print. */
#ifndef NJ_OPS_HELP_H
#define NJ_OPS_HELP_H
#include <stddef.h>
#include <stdio.h>

/*
 * The name to print in front of errors: "nats-server" when started under that name (a link to the
 * binary), else "natterjack".  Static.
 */
const char *nj_program_name(const char *argv0);

void nj_help_print(FILE *out, const char *program);

/* A line of --help, in order, NULL behind the last.  Flags and their text; no text makes it a
 * heading, both empty a blank line, an empty text a line that goes on in the next. */
struct nj_help_row {
    const char *flags;
    const char *text;
};
const struct nj_help_row *nj_help_row(size_t i);
void nj_help_tls_print(FILE *out);

/*
 * Ours and the reference's, then the label of the FIPS module (NULL: not asked for, no line).  The
 * name we run under comes first, since tools compare the whole first line.
 */
void nj_version_print(FILE *out, const char *program, const char *fips);

#endif

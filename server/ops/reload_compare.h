/*
 * reload_compare.h: two sets of options side by side: what a reload would change.
 *
 * The options are looked at in one fixed order, the reference's, in which its lines are logged and
 * of which the first that cannot change is named.  No secret is ever put into a line.
 * Touches no global state; any thread.
 */
#ifndef NJ_OPS_RELOAD_COMPARE_H
#define NJ_OPS_RELOAD_COMPARE_H
#include <stdbool.h>
#include <stddef.h>

struct nj_error;
struct nj_options;

/* What must be done beside logging the line, at its turn. */
enum nj_reload_action {
    NJ_RELOAD_NOTHING,
    NJ_RELOAD_MAX_CONNECTIONS, /* close what is too many, before the line */
    NJ_RELOAD_PROF_RATE,       /* warn, before the line */
    NJ_RELOAD_PID_FILE,        /* write it, before the line */
    NJ_RELOAD_PORTS_FILE       /* remove the old one and write the new one, before the line */
};

struct nj_reload_line {
    enum nj_reload_action action;
    char *text; /* for the log; NULL: there is none */
};

/* What a reload changes, in order.  All zero: nothing was compared. */
struct nj_reload_plan {
    struct nj_reload_line *lines;
    size_t lines_n;
    bool logging; /* where the log goes or what is in it */
    bool pins;    /* pinned_certs of the client port */
};

/* What the options themselves do not tell. */
struct nj_reload_facts {
    int port;         /* that is listened on: what -1 came to mean */
    bool tls_differs; /* the material or the parameters of the tls block, as loaded */
};

/*
 * Compare what is in force with what shall be.  NJ_OK, or NJ_E_UNSUPPORTED with "config reload not
 * supported for NAME: old=OLD, new=NEW" (or NJ_E_INVALID with what is wrong with a value).
 * The plan needs nj_reload_plan_fini() in either case.
 */
int nj_reload_compare(const struct nj_options *now, const struct nj_options *next,
                      const struct nj_reload_facts *facts, struct nj_reload_plan *plan_out,
                      struct nj_error *err);
void nj_reload_plan_fini(struct nj_reload_plan *plan);

#endif

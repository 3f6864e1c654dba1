/*
 * reload.h: the configuration file read again while the server runs (SIGHUP).
 *
 * In order: read the file, lay the flags over it, check as a start does; build all that may fail
 * (the TLS material of the new file, what the hooks make); compare with what is in force; only
 * then install, log what changed and look at the connections that are there.  What fails before
 * installing leaves everything as it was and is one error line; installing cannot fail.
 *
 * Everything here runs on the control thread, so one reload ends before the next begins.
 */
#ifndef NJ_OPS_RELOAD_H
#define NJ_OPS_RELOAD_H
#include <stdint.h>

struct nj_error;
struct nj_hub;
struct nj_options;
struct nj_options_source;
struct nj_registry;
struct nj_serving;

struct nj_reload;

struct nj_reload_config {
    struct nj_hub *hub;
    struct nj_registry *registry;
    const struct nj_options *options;       /* of the start; borrowed for ever */
    const struct nj_options_source *source; /* borrowed for ever */
    /* What else the server does with new options; both with `user`. */
    void *user;
    /* They are in force; borrowed until the next call. */
    void (*installed)(void *user, const struct nj_options *o, int64_t at_ns);
    /* After installed(): remove the old file, write the new one. */
    void (*move_ports_file)(void *user);
};

/* What a hook looks at while it builds.  Borrowed for the call. */
struct nj_reload_offer {
    const struct nj_options *now;
    const struct nj_options *next;
    struct nj_serving *serving; /* what connections will obey; nobody sees it yet */
};

/*
 * Somebody who must see a reload: a mapper with files of its own, a listener with TLS.  Hooks are
 * called in the order in which they were added.
 */
struct nj_reload_hook {
    const char *name; /* for messages; borrowed for ever */
    void *user;
    /*
     * Build what the new options ask for and change nothing that is in force.  NJ_OK with
     * *built_out (NULL is fine), or negative with the sentence to refuse the reload with.
     */
    int (*build)(void *user, const struct nj_reload_offer *offer, void **built_out,
                 struct nj_error *err);
    /* Put it in force; cannot fail; owns `built` from now on.  The workers obey `serving`. */
    void (*install)(void *user, void *built);
    /* The reload was refused after all: let go of it. */
    void (*discard)(void *user, void *built);
};

struct nj_reload *nj_reload_new(const struct nj_reload_config *config);
void nj_reload_free(struct nj_reload **rp); /* the options that are in force end here */

/* Before the first reload; the hook is copied. */
void nj_reload_add_hook(struct nj_reload *r, const struct nj_reload_hook *hook);

/* Reload now, and say in the log what came of it. */
void nj_reload_run(struct nj_reload *r);

#endif

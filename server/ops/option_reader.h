/*
 * option_reader.h: what the functions that read options share.  Inside server/ops/ only.
 *
 * A reader collects: nothing stops at the first error except where a comment says so, because a
 * person wants to see all of them at once.
 */
#ifndef NJ_OPS_OPTION_READER_H
#define NJ_OPS_OPTION_READER_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "auth/nkey.h"
#include "base/buf.h"
#include "conf/conf.h"
#include "ops/option_table.h"
#include "ops/options.h"

struct nj_option_reader {
    struct nj_options *o;
    const struct nj_options_hooks *hooks;
    const struct nj_conf_value *option; /* the top-level option being read: it has a position */
    struct nj_buf warnings;
    struct nj_buf errors;
    bool jetstream; /* asked for; refused or ignored at the end, see ignore_unsupported */
    bool mqtt;
};

/* ---- saying what is wrong ------------------------------------------------------------------- */

/* "FILE:L:C: text".  `at` without a position (environment) gives that of the option around it. */
void nj_reader_fail(struct nj_option_reader *r, const struct nj_conf_value *at, const char *fmt,
                    ...) __attribute__((format(printf, 3, 4)));
void nj_reader_warn(struct nj_option_reader *r, const struct nj_conf_value *at, const char *fmt,
                    ...) __attribute__((format(printf, 3, 4)));

/* `invalid use of field "NAME": ...`, a warning. */
void nj_reader_misuse(struct nj_option_reader *r, const struct nj_conf_member *m, const char *fmt,
                      ...) __attribute__((format(printf, 3, 4)));

/* An error without a place: where the reference gives none. */
void nj_reader_fail_plain(struct nj_option_reader *r, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* `unknown field "NAME"`, unless the member served as a variable. */
void nj_reader_unknown(struct nj_option_reader *r, const struct nj_conf_member *m);

/* A sentence for the start: `FILE:L:C: "NAME" text`. */
void nj_reader_unserved(struct nj_option_reader *r, const struct nj_conf_member *m,
                        const char *text);

/* ---- typed values --------------------------------------------------------------------------- */

/* True when the type fits; else "interface conversion: interface {} is GOT, not WANT". */
bool nj_reader_is(struct nj_option_reader *r, const struct nj_conf_value *v,
                  enum nj_conf_type want);

/* Each writes its output on success only.  An empty string is stored as NULL: absent. */
bool nj_reader_string(struct nj_option_reader *r, const struct nj_conf_value *v, char **s_out);
bool nj_reader_bool(struct nj_option_reader *r, const struct nj_conf_value *v, bool *on_out);
bool nj_reader_int(struct nj_option_reader *r, const struct nj_conf_value *v, int64_t *n_out);

/* A duration string, or seconds with a warning. */
bool nj_reader_duration(struct nj_option_reader *r, const struct nj_conf_member *m,
                        int64_t *ns_out);

/* A duration string only; `what` names it in "error parsing WHAT: reason". */
bool nj_reader_duration_text(struct nj_option_reader *r, const struct nj_conf_value *v,
                             const char *what, int64_t *ns_out);

/* Seconds (integer or float) or a duration string.  NJ_OK, NJ_E_INVALID with the reason in `why`
 * (a bad string), or NJ_E_UNSUPPORTED (another type).  Reports nothing. */
int nj_seconds_read(const struct nj_conf_value *v, int64_t *ns_out, struct nj_buf *why);

/* The warning about an authorization timeout above a minute. */
void nj_reader_high_timeout(struct nj_option_reader *r, const struct nj_conf_member *m, int64_t ns);

/* host:port, :port (the host becomes NULL), or a bare port (the host stays). */
bool nj_reader_listen(struct nj_option_reader *r, const struct nj_conf_value *v, char **host_out,
                      int *port_out);

/* A key without regard to case. */
bool nj_key_is(const struct nj_conf_member *m, const char *name);

/* Is it one of a NULL-ended list?  Without regard to case. */
bool nj_key_among(const struct nj_conf_member *m, const char *const *names);

/* As %q prints it.  The caller owns the result. */
char *nj_quoted(const char *s, size_t len);

/* Owned strings. */
void nj_text_set(char **where, const char *s);
void nj_texts_add(char ***list, size_t *n, const char *s);
void nj_texts_free(char ***list, size_t *n);

/* ---- blocks --------------------------------------------------------------------------------- */

/* Where a tls block stands. */
enum nj_tls_place {
    NJ_TLS_CLIENTS,
    NJ_TLS_ROUTES, /* cluster and gateway: known URLs may be checked */
    NJ_TLS_LEAFS,
    NJ_TLS_ELSEWHERE
};

/* Stops at the first error, which it reports.  *block is then incomplete. */
bool nj_reader_tls(struct nj_option_reader *r, const struct nj_conf_member *m,
                   enum nj_tls_place place, struct nj_tls_block *block);
/* Our own: ticket_rotation. */
bool nj_reader_ticket_rotation(struct nj_option_reader *r, const struct nj_conf_member *m,
                               int64_t *ns_out);
/* ocsp_peer of a tls block; and what is checked and not served: cert_store and its kin. */
bool nj_reader_ocsp_peer(struct nj_option_reader *r, const struct nj_conf_member *m,
                         struct nj_tls_block *b);
bool nj_reader_cert_store(struct nj_option_reader *r, const struct nj_conf_member *m);
void nj_tls_block_init(struct nj_tls_block *b);
void nj_tls_block_free(struct nj_tls_block *b); /* as nj_tls_block_init() made it, afterwards */
void nj_tls_block_drop_certs(struct nj_tls_block *b); /* the list `certs` alone */

/* Permissions.  With perms_out they are kept: one reference; it stays as it is when something is
 * wrong with them. */
void nj_reader_permissions(struct nj_option_reader *r, const struct nj_conf_value *v,
                           struct nj_perms **perms_out);

/*
 * Under require_fips: is what stands there allowed?  False after an error, by name and place;
 * always true without the option.
 *   password  not a bcrypt hash (`secret` may be NULL); a token likewise
 *   feature   whose primitive no module is sure to have: "nkey", "needs Ed25519"
 *   option    at the top level, likewise
 */
bool nj_reader_fips_option(struct nj_option_reader *r, const struct nj_option *opt,
                           const struct nj_conf_member *m);
bool nj_reader_fips_password(struct nj_option_reader *r, const struct nj_conf_value *at,
                             const char *secret);
bool nj_reader_fips_feature(struct nj_option_reader *r, const struct nj_conf_value *at,
                            const char *name, const char *why);
bool nj_reader_fips_suite(struct nj_option_reader *r, const struct nj_conf_value *at, uint16_t id);
bool nj_reader_fips_group(struct nj_option_reader *r, const struct nj_conf_value *at, uint16_t id);

/* A list of users, added to *list.  `block` is where duplicates are reported. */
void nj_reader_users(struct nj_option_reader *r, const struct nj_conf_member *m,
                     const struct nj_conf_value *block, struct nj_user_list *list);

void nj_user_list_clear(struct nj_user_list *list);
/* Users without permissions of their own get these. */
void nj_user_list_default_perms(struct nj_user_list *list, struct nj_perms *perms);

/* Append a value for a message: scalars as %v prints them, containers without their content. */
void nj_reader_show(const struct nj_conf_value *v, struct nj_buf *out);

/* "Expected WHAT, got VALUE". */
void nj_reader_expected(struct nj_option_reader *r, const struct nj_conf_value *v,
                        const char *what);

/* ---- readers of the table ------------------------------------------------------------------- */

void nj_set_listen(struct nj_option_reader *, const struct nj_option *,
                   const struct nj_conf_member *);
void nj_set_http(struct nj_option_reader *, const struct nj_option *,
                 const struct nj_conf_member *);
void nj_set_https(struct nj_option_reader *, const struct nj_option *,
                  const struct nj_conf_member *);
void nj_set_server_name(struct nj_option_reader *, const struct nj_option *,
                        const struct nj_conf_member *);
void nj_set_tags(struct nj_option_reader *, const struct nj_option *,
                 const struct nj_conf_member *);
void nj_set_metadata(struct nj_option_reader *, const struct nj_option *,
                     const struct nj_conf_member *);
void nj_set_feature_flags(struct nj_option_reader *, const struct nj_option *,
                          const struct nj_conf_member *);
void nj_set_lame_duck(struct nj_option_reader *, const struct nj_option *,
                      const struct nj_conf_member *);
void nj_set_trace_kind(struct nj_option_reader *, const struct nj_option *,
                       const struct nj_conf_member *);
void nj_set_max_connections(struct nj_option_reader *, const struct nj_option *,
                            const struct nj_conf_member *);
void nj_set_max_sub_tokens(struct nj_option_reader *, const struct nj_option *,
                           const struct nj_conf_member *);
void nj_set_int32(struct nj_option_reader *, const struct nj_option *,
                  const struct nj_conf_member *);
void nj_set_write_timeout(struct nj_option_reader *, const struct nj_option *,
                          const struct nj_conf_member *);
void nj_set_tls_provider(struct nj_option_reader *, const struct nj_option *,
                         const struct nj_conf_member *);
void nj_set_plugin_dirs(struct nj_option_reader *, const struct nj_option *,
                        const struct nj_conf_member *);
void nj_set_workers(struct nj_option_reader *, const struct nj_option *,
                    const struct nj_conf_member *);
void nj_set_require_fips(struct nj_option_reader *, const struct nj_option *,
                         const struct nj_conf_member *);
void nj_set_tls(struct nj_option_reader *, const struct nj_option *, const struct nj_conf_member *);
void nj_set_authorization(struct nj_option_reader *, const struct nj_option *,
                          const struct nj_conf_member *);

/* Known, not served: what is cheap to check is checked. */
void nj_set_unserved(struct nj_option_reader *, const struct nj_option *,
                     const struct nj_conf_member *);
void nj_set_unserved_bool(struct nj_option_reader *, const struct nj_option *,
                          const struct nj_conf_member *);
void nj_set_unserved_int(struct nj_option_reader *, const struct nj_option *,
                         const struct nj_conf_member *);
void nj_set_unserved_string(struct nj_option_reader *, const struct nj_option *,
                            const struct nj_conf_member *);
void nj_set_known_string(struct nj_option_reader *, const struct nj_option *,
                         const struct nj_conf_member *);
void nj_set_known(struct nj_option_reader *, const struct nj_option *,
                  const struct nj_conf_member *);
void nj_set_jetstream(struct nj_option_reader *, const struct nj_option *,
                      const struct nj_conf_member *);
void nj_set_js_domain(struct nj_option_reader *, const struct nj_option *,
                      const struct nj_conf_member *);
void nj_set_trusted(struct nj_option_reader *, const struct nj_option *,
                    const struct nj_conf_member *);
void nj_set_proxies(struct nj_option_reader *, const struct nj_option *,
                    const struct nj_conf_member *);
void nj_set_system_account(struct nj_option_reader *, const struct nj_option *,
                           const struct nj_conf_member *);
void nj_set_ocsp(struct nj_option_reader *, const struct nj_option *,
                 const struct nj_conf_member *);
void nj_set_ocsp_cache(struct nj_option_reader *, const struct nj_option *,
                       const struct nj_conf_member *);
void nj_set_block(struct nj_option_reader *, const struct nj_option *,
                  const struct nj_conf_member *);
void nj_set_resolver_tls(struct nj_option_reader *, const struct nj_option *,
                         const struct nj_conf_member *);

#endif

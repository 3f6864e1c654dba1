/*
 * rules.h: the auth mapper "rules": who a certificate's names make of a peer, by patterns.
 *
 *     options {
 *       rules: [
 *         { match: { uri: "spiffe://example.org/ns-*", ou: "eng*" }, user: "$OU" }
 *         { match: { dns: "*.dev.example.org" }, user: "dev-$1", account: DEV,
 *           permissions: { publish: "dev.>", subscribe: { allow: ["dev.>", "_INBOX.>"] } } }
 *         { match: { o: "Former Partner" }, deny: "the contract has ended" }
 *       ]
 *       otherwise: defer
 *     }
 *
 * The first rule of which all patterns match decides.  A pattern matches when any value of its type
 * does.  Values are those that the server decoded from DER, of verified certificates alone.
 *
 * A set of rules is made once and then read by all threads.
 */
#ifndef NJ_AUTHMAP_RULES_RULES_H
#define NJ_AUTHMAP_RULES_RULES_H
#include "natterjack/authmap.h"

/* Bounds, so that no configuration and no certificate can make a decision dear. */
#define RULES_MOST 1000
#define CONDITIONS_MOST 16           /* in one rule */
#define PATTERNS_MOST 64             /* of one condition */
#define PATTERN_LEN_MOST 512         /* bytes */
#define CAPTURES_MOST 9              /* $1 to $9 of one rule */
#define VALUE_LEN_MOST 4096          /* a longer one is odd: see struct found */
#define WORK_MOST ((size_t) 4 << 20) /* bytes looked at for one decision */
#define RESULT_LEN_MOST 256          /* of a user or an account */
#define SUBJECT_LEN_MOST 1024
#define REASON_LEN_MOST 512

extern const struct nj_authmap_host *rules_host; /* immutable after init */

/* ---- patterns (glob.c) ------------------------------------------------------------------------ */

/* "*" is any run of bytes, none included; "\" before a byte takes its meaning away. */
struct glob {
    char *bytes;   /* literal pieces, one after the other */
    size_t *piece; /* lengths of the stars + 1 pieces */
    size_t stars;
};

/* NULL, or what is wrong. */
const char *glob_init(struct glob *g, const char *pattern, size_t len, int fold);
void glob_fini(struct glob *g);

/*
 * Does all of the value match?  Linear in both lengths: the pieces are looked for from the left, so
 * each star is as short as it can be.  captures: `stars` spans into the value, may be NULL.
 */
int glob_match(const struct glob *g, const char *value, size_t len, struct nj_span *captures);

/* ---- what a rule sees of a peer (match.c) ------------------------------------------------------ */

struct condition {
    char *type; /* "CN", "dns", "1.2.3", as struct nj_authmap_name has it, or one of the below */
    int fold;   /* dns: upper and lower case are one */
    struct glob *globs; /* one of them must match */
    size_t globs_n;
    size_t first_capture; /* number of its first star, from 0; alternatives share the numbers */
};

#define TYPE_ADDRESS "address"
#define TYPE_SPKI "spki_sha256"

/* ---- templates (template.c) -------------------------------------------------------------------- */

/* "dev-$1.${CN}", in parts: text, a name's type, or the number of a capture. */
struct part {
    char *text;     /* NULL: none */
    char *type;     /* NULL: none */
    size_t capture; /* 1 to 9; 0: none */
};

struct template
{
    struct part *parts;
    size_t parts_n;
};

struct rule {
    struct condition *conditions;
    size_t conditions_n;
    size_t captures; /* stars of all its patterns */
    int denies;
    char *reason;
    int own; /* account or permissions were given */
    struct template user;
    struct template account;
    int has_account;
    int has_permissions;
    struct template *lists[4]; /* publish allow, deny, subscribe allow, deny */
    size_t lists_n[4];
    int given[4];
    int allow_responses;
    int32_t responses_max;
    int64_t responses_ms;
    char **tags;
    size_t tags_n;
};

/* What matched: the values behind $1 and $CN. */
struct found {
    const struct nj_authmap_facts *facts;
    struct nj_span captures[CAPTURES_MOST];
    const struct rule *rule;
    struct nj_span values[CONDITIONS_MOST]; /* of each condition, the first that matched */
    char *folded[CONDITIONS_MOST];          /* in lower case, where values point to; else NULL */
    /*
     * A value that has control characters or is too long is odd: it fits no pattern of a rule that
     * lets in, and all patterns of one that refuses.  The type of such a one; NULL: none was met.
     */
    const char *odd_type;
    char spki[65];
};

/* Do all conditions hold?  *work is what may still be looked at; it is 0 when that was not enough
 * and then nothing matches.  `found` is filled either way and wants found_fini(). */
int rule_match(const struct rule *r, const struct nj_authmap_facts *facts, size_t *work,
               struct found *found);
void found_fini(struct found *found);

/* The value behind a type: the one that matched, else the first; ptr is NULL when there is none. */
struct nj_span found_value(const struct found *found, const char *type);

const char *template_init(struct template *t, const char *text, size_t len, size_t captures);
void template_fini(struct template *t);

/* Where a result goes, and so what a value must not bring along. */
#define INTO_NAME 0
#define INTO_SUBJECT 1 /* no dots, wildcards or blanks: a name must not widen what is allowed */

/* The text, NUL-terminated, from host->alloc; NULL when a value is not there or does not fit. */
char *template_expand(const struct template *t, const struct found *found, int into, size_t most);

/* ---- rules (options.c) ------------------------------------------------------------------------- */

struct rules {
    struct rule *at;
    size_t n;
    int otherwise_deny;
};

/* Reads the options; every fault is reported (report may be NULL) and the result is NULL then. */
struct rules *rules_read(const struct nj_authmap_value *options,
                         const struct nj_authmap_report *report);
void rules_free(struct rules *rules);

/* "OU" for "ou": what struct nj_authmap_name calls it; NULL when it is no type. */
const char *rules_type(const char *key);

#endif

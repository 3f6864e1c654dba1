/* entry.c: the door, and a decision from the rules to an answer. */
#include "plugins/authmap-rules/rules.h"

const struct nj_authmap_host *rules_host;

static struct rules *rules_of(struct nj_authmap_instance *inst)
{
    return (struct rules *) (void *) inst;
}

/* ---- answers ---------------------------------------------------------------------------------- */

static void deny(uint64_t handle, const char *reason)
{
    const struct nj_authmap_answer a = { .size = sizeof(a),
                                         .verdict = NJ_AUTHMAP_DENY,
                                         .reason = reason };
    (void) rules_host->answer(handle, &a);
}

/* The texts of one answer, made of templates. */
struct texts {
    char *user;
    char *account;
    char **lists[4];
    int unfit; /* a value was not there, or would not go in */
};

static char *expand(struct texts *t, const struct template *from, const struct found *found,
                    int into, size_t most)
{
    char *text = template_expand(from, found, into, most);
    t->unfit |= text == NULL;
    return text;
}

static void make_texts(const struct rule *r, const struct found *found, struct texts *t)
{
    memset(t, 0, sizeof(*t));
    t->user = expand(t, &r->user, found, INTO_NAME, RESULT_LEN_MOST);
    if (r->has_account) {
        t->account = expand(t, &r->account, found, INTO_NAME, RESULT_LEN_MOST);
    }
    for (size_t i = 0; i < 4; i++) {
        t->lists[i] = rules_host->base->alloc((r->lists_n[i] + 1) * sizeof(char *));
        for (size_t n = 0; n < r->lists_n[i]; n++) {
            t->lists[i][n] = expand(t, &r->lists[i][n], found, INTO_SUBJECT, SUBJECT_LEN_MOST);
        }
    }
}

static void free_texts(const struct rule *r, struct texts *t)
{
    rules_host->base->dealloc(t->user);
    rules_host->base->dealloc(t->account);
    for (size_t i = 0; i < 4; i++) {
        for (size_t n = 0; n < r->lists_n[i]; n++) {
            rules_host->base->dealloc(t->lists[i][n]);
        }
        rules_host->base->dealloc(t->lists[i]);
    }
}

static void set_list(const struct rule *r, const struct texts *t, int i, const char *const **to,
                     size_t *n)
{
    *to = r->given[i] ? (const char *const *) t->lists[i] : NULL;
    *n = r->lists_n[i];
}

static void allow(const struct rule *r, const struct texts *t, uint64_t handle)
{
    struct nj_authmap_permissions p = { .size = sizeof(p),
                                        .allow_responses = (uint32_t) r->allow_responses,
                                        .responses_max = r->responses_max,
                                        .responses_ms = r->responses_ms };
    const struct nj_authmap_answer a = {
        .size = sizeof(a),
        .verdict = r->own ? NJ_AUTHMAP_ALLOW_OWN : NJ_AUTHMAP_ALLOW_CONFIGURED,
        .user = t->user,
        .account = t->account,
        .permissions = r->has_permissions ? &p : NULL,
        .tags = (const char *const *) r->tags,
        .tags_n = r->tags_n,
    };
    set_list(r, t, 0, &p.publish_allow, &p.publish_allow_n);
    set_list(r, t, 1, &p.publish_deny, &p.publish_deny_n);
    set_list(r, t, 2, &p.subscribe_allow, &p.subscribe_allow_n);
    set_list(r, t, 3, &p.subscribe_deny, &p.subscribe_deny_n);
    (void) rules_host->answer(handle, &a);
}

/* The words of the rule would not be the whole truth where a name was odd. */
static void refuse(const struct rule *r, const struct found *found, uint64_t handle)
{
    char text[REASON_LEN_MOST];
    if (found->odd_type == NULL) {
        deny(handle, r->reason);
        return;
    }
    (void) snprintf(text, sizeof(text),
                    "its %.64s has a control character or is too long, and a rule refuses by "
                    "%.64s: %.256s",
                    found->odd_type, found->odd_type, r->reason);
    deny(handle, text);
}

/* True when the rule decides. */
static int apply(const struct rule *r, const struct found *found, uint64_t handle)
{
    struct texts t;
    if (r->denies) {
        refuse(r, found, handle);
        return 1;
    }
    make_texts(r, found, &t);
    if (!t.unfit) {
        allow(r, &t, handle);
    }
    int decided = !t.unfit;
    free_texts(r, &t);
    return decided;
}

/* ---- the table -------------------------------------------------------------------------------- */

static int init(const struct nj_authmap_host *host, struct nj_error *err)
{
    (void) err;
    rules_host = host;
    return NJ_OK;
}

static void fini(void)
{
}

static int check(const struct nj_authmap_value *options, const struct nj_authmap_report *report)
{
    struct rules *rules = rules_read(options, report);
    if (rules == NULL) {
        return NJ_E_INVALID;
    }
    rules_free(rules);
    return NJ_OK;
}

static int instance_new(const struct nj_authmap_value *options,
                        struct nj_authmap_instance **inst_out, struct nj_error *err)
{
    struct rules *rules = rules_read(options, NULL);
    if (rules == NULL) {
        return nj_error_set(err, NJ_E_INVALID, "the rules cannot be understood");
    }
    *inst_out = (struct nj_authmap_instance *) (void *) rules;
    return NJ_OK;
}

static void instance_free(struct nj_authmap_instance *inst)
{
    rules_free(rules_of(inst));
}

static int decide(struct nj_authmap_instance *inst, const struct nj_authmap_facts *facts,
                  uint64_t handle, struct nj_error *err)
{
    const struct rules *rules = rules_of(inst);
    const struct nj_authmap_answer defer = { .size = sizeof(defer), .verdict = NJ_AUTHMAP_DEFER };
    size_t work = WORK_MOST;
    (void) err;
    for (size_t i = 0; i < rules->n && work > 0; i++) {
        struct found found;
        int decided =
            rule_match(&rules->at[i], facts, &work, &found) && apply(&rules->at[i], &found, handle);
        found_fini(&found);
        if (decided) {
            return NJ_OK;
        }
    }
    if (work == 0) {
        deny(handle, "the certificate has more names than these rules can be tried on");
    } else if (rules->otherwise_deny) {
        deny(handle, "no rule fits");
    } else {
        (void) rules_host->answer(handle, &defer);
    }
    return NJ_OK;
}

static const struct nj_authmap mapper = {
    .size = sizeof(struct nj_authmap),
    .about = "patterns over the names of a verified certificate",
    .init = init,
    .fini = fini,
    .check = check,
    .instance_new = instance_new,
    .instance_free = instance_free,
    .decide = decide,
};

static const struct nj_plugin plugin = {
    .magic = NJ_PLUGIN_MAGIC,
    .size = sizeof(struct nj_plugin),
    .abi_major = NJ_ABI_MAJOR,
    .abi_minor = NJ_ABI_MINOR,
    .kind = NJ_PLUGIN_AUTHMAP,
    .name = "rules",
    .version = NJ_VERSION,
    .iface = &mapper,
};

const struct nj_plugin *nj_plugin_v1(void)
{
    return &plugin;
}

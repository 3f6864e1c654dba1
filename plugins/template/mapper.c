/* An auth mapper to start from, C11 or C++20: a verified DNS name under `domain` is user `user`.
 *     mappers: [ { plugin: template, options: { domain: ".example.org", user: "site" } } ] */
#include <natterjack/authmap.h>

struct nj_authmap_instance {
    char domain[256], user[256];
};

static const struct nj_authmap_host *host; /* immutable after init */

static int init(const struct nj_authmap_host *h, struct nj_error *err)
{
    (void) err;
    host = h;
    return NJ_OK;
}

static void fini(void)
{
}

static const char *text_of(const struct nj_authmap_value *options, const char *key)
{
    const struct nj_authmap_value *v = nj_authmap_get(options, key);
    return v != NULL && v->type == NJ_VALUE_STRING && v->text_len < 256 ? v->text : NULL;
}

static int check(const struct nj_authmap_value *options, const struct nj_authmap_report *report)
{
    if (text_of(options, "domain") != NULL && text_of(options, "user") != NULL) {
        return NJ_OK;
    }
    report->error(report, options, "this mapper needs two texts: domain and user");
    return NJ_E_INVALID;
}

static int instance_new(const struct nj_authmap_value *options, struct nj_authmap_instance **out,
                        struct nj_error *err)
{
    struct nj_authmap_instance *in = (struct nj_authmap_instance *) host->base->alloc(sizeof(*in));
    (void) err;
    (void) snprintf(in->domain, sizeof(in->domain), "%s", text_of(options, "domain"));
    (void) snprintf(in->user, sizeof(in->user), "%s", text_of(options, "user"));
    *out = in;
    return NJ_OK;
}

static void instance_free(struct nj_authmap_instance *in)
{
    host->base->dealloc(in);
}

static int ends_with(struct nj_span value, const char *end)
{
    return value.len > strlen(end) &&
           memcmp(value.ptr + value.len - strlen(end), end, strlen(end)) == 0;
}

static int decide(struct nj_authmap_instance *in, const struct nj_authmap_facts *facts,
                  uint64_t handle, struct nj_error *err)
{
    struct nj_authmap_answer answer = { .size = sizeof(answer), .verdict = NJ_AUTHMAP_DEFER };
    (void) err;
    for (size_t i = 0; facts->tls_verified && i < facts->names_n; i++) {
        if (facts->names[i]->kind == NJ_AUTHMAP_NAME_DNS &&
            ends_with(facts->names[i]->value, in->domain)) {
            answer.verdict = NJ_AUTHMAP_ALLOW_CONFIGURED;
            answer.user = in->user;
        }
    }
    (void) host->answer(handle, &answer); /* or later, from a thread of your own */
    return NJ_OK;
}

static const struct nj_authmap mapper = {
    .size = sizeof(mapper),
    .about = "a DNS name under a domain",
    .init = init,
    .fini = fini,
    .check = check,
    .instance_new = instance_new,
    .instance_free = instance_free,
    .decide = decide, /* no cancel: it never answers later */
};

static const struct nj_plugin plugin = { .magic = NJ_PLUGIN_MAGIC,
                                         .size = sizeof(plugin),
                                         .abi_major = NJ_ABI_MAJOR,
                                         .abi_minor = NJ_ABI_MINOR,
                                         .kind = NJ_PLUGIN_AUTHMAP,
                                         .name = PLUGIN_NAME,
                                         .version = "0.1",
                                         .iface = &mapper };

NJ_EXPORT const struct nj_plugin *nj_plugin_v1(void)
{
    return &plugin;
}

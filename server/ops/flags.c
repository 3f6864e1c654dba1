#include "ops/flags.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/quote.h"
#include "natterjack/plugin.h"

#define REDACTED "[REDACTED]"

enum flag_type {
    TYPE_BOOL,
    TYPE_INT,
    TYPE_TEXT,
    TYPE_SECRET, /* text, hidden in argv and in public_args */
    TYPE_USER,   /* text, hidden in public_args */
    TYPE_URLS,   /* text, user info hidden in public_args */
    TYPE_LATER   /* refused by name; takes a value only after `=` */
};

struct flag_row {
    const char *name;
    enum flag_type type;
    enum nj_flag id;
};

static const struct flag_row rows[] = {
    { "a", TYPE_TEXT, NJ_FLAG_HOST },
    { "addr", TYPE_TEXT, NJ_FLAG_HOST },
    { "net", TYPE_TEXT, NJ_FLAG_HOST },
    { "p", TYPE_INT, NJ_FLAG_PORT },
    { "port", TYPE_INT, NJ_FLAG_PORT },
    { "n", TYPE_TEXT, NJ_FLAG_NAME },
    { "name", TYPE_TEXT, NJ_FLAG_NAME },
    { "server_name", TYPE_TEXT, NJ_FLAG_NAME },
    { "P", TYPE_TEXT, NJ_FLAG_PID_FILE },
    { "pid", TYPE_TEXT, NJ_FLAG_PID_FILE },
    { "m", TYPE_INT, NJ_FLAG_HTTP_PORT },
    { "http_port", TYPE_INT, NJ_FLAG_HTTP_PORT },
    { "ms", TYPE_INT, NJ_FLAG_HTTPS_PORT },
    { "https_port", TYPE_INT, NJ_FLAG_HTTPS_PORT },
    { "c", TYPE_TEXT, NJ_FLAG_CONFIG },
    { "config", TYPE_TEXT, NJ_FLAG_CONFIG },
    { "t", TYPE_BOOL, NJ_FLAG_CHECK },
    { "sl", TYPE_TEXT, NJ_FLAG_SIGNAL },
    { "signal", TYPE_TEXT, NJ_FLAG_SIGNAL },
    { "client_advertise", TYPE_TEXT, NJ_FLAG_CLIENT_ADVERTISE },
    { "ports_file_dir", TYPE_TEXT, NJ_FLAG_PORTS_FILE_DIR },
    { "l", TYPE_TEXT, NJ_FLAG_LOG_FILE },
    { "log", TYPE_TEXT, NJ_FLAG_LOG_FILE },
    { "T", TYPE_BOOL, NJ_FLAG_LOGTIME },
    { "logtime", TYPE_BOOL, NJ_FLAG_LOGTIME },
    { "logtime_utc", TYPE_BOOL, NJ_FLAG_LOGTIME_UTC },
    { "s", TYPE_BOOL, NJ_FLAG_SYSLOG },
    { "syslog", TYPE_BOOL, NJ_FLAG_SYSLOG },
    { "r", TYPE_TEXT, NJ_FLAG_REMOTE_SYSLOG },
    { "remote_syslog", TYPE_TEXT, NJ_FLAG_REMOTE_SYSLOG },
    { "D", TYPE_BOOL, NJ_FLAG_DEBUG },
    { "debug", TYPE_BOOL, NJ_FLAG_DEBUG },
    { "V", TYPE_BOOL, NJ_FLAG_TRACE },
    { "trace", TYPE_BOOL, NJ_FLAG_TRACE },
    { "DV", TYPE_BOOL, NJ_FLAG_DV },
    { "DVV", TYPE_BOOL, NJ_FLAG_DVV },
    { "VV", TYPE_BOOL, NJ_FLAG_VV },
    { "log_size_limit", TYPE_INT, NJ_FLAG_LOG_SIZE_LIMIT },
    { "max_traced_msg_len", TYPE_INT, NJ_FLAG_MAX_TRACED_MSG_LEN },
    { "js", TYPE_BOOL, NJ_FLAG_JETSTREAM },
    { "jetstream", TYPE_BOOL, NJ_FLAG_JETSTREAM },
    { "sd", TYPE_TEXT, NJ_FLAG_STORE_DIR },
    { "store_dir", TYPE_TEXT, NJ_FLAG_STORE_DIR },
    { "user", TYPE_USER, NJ_FLAG_USER },
    { "pass", TYPE_SECRET, NJ_FLAG_PASS },
    { "auth", TYPE_SECRET, NJ_FLAG_AUTH },
    { "tls", TYPE_BOOL, NJ_FLAG_TLS },
    { "tlsverify", TYPE_BOOL, NJ_FLAG_TLS_VERIFY },
    { "tlscert", TYPE_TEXT, NJ_FLAG_TLS_CERT },
    { "tlskey", TYPE_TEXT, NJ_FLAG_TLS_KEY },
    { "tlscacert", TYPE_TEXT, NJ_FLAG_TLS_CA },
    { "routes", TYPE_URLS, NJ_FLAG_ROUTES },
    { "cluster", TYPE_URLS, NJ_FLAG_CLUSTER },
    { "cluster_listen", TYPE_URLS, NJ_FLAG_CLUSTER },
    { "cluster_name", TYPE_TEXT, NJ_FLAG_CLUSTER_NAME },
    { "cluster_advertise", TYPE_TEXT, NJ_FLAG_CLUSTER_ADVERTISE },
    { "no_advertise", TYPE_BOOL, NJ_FLAG_NO_ADVERTISE },
    { "connect_retries", TYPE_INT, NJ_FLAG_CONNECT_RETRIES },
    { "profile", TYPE_INT, NJ_FLAG_PROFILE },
    { "h", TYPE_BOOL, NJ_FLAG_HELP },
    { "help", TYPE_BOOL, NJ_FLAG_HELP },
    { "v", TYPE_BOOL, NJ_FLAG_VERSION },
    { "version", TYPE_BOOL, NJ_FLAG_VERSION },
    { "help_tls", TYPE_BOOL, NJ_FLAG_HELP_TLS },
};

/* Ours: `-` and `_` are alike inside these names. */
static const struct flag_row own_rows[] = {
    { "tls_provider", TYPE_TEXT, NJ_FLAG_TLS_PROVIDER },
    { "plugin_dir", TYPE_TEXT, NJ_FLAG_PLUGIN_DIR },
    { "workers", TYPE_INT, NJ_FLAG_WORKERS },
    { "list-plugins", TYPE_BOOL, NJ_FLAG_LIST_PLUGINS },
    { "tls-check", TYPE_LATER, NJ_FLAG_LATER },
    { "tls-probe", TYPE_LATER, NJ_FLAG_LATER },
    { "tls-verify", TYPE_LATER, NJ_FLAG_LATER },
    { "json", TYPE_LATER, NJ_FLAG_LATER },
};

#define ROWS(table) (sizeof(table) / sizeof((table)[0]))

/* --- the table --- */

static bool own_name_is(const char *row_name, const char *name, size_t len)
{
    if (strlen(row_name) != len) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        char want = row_name[i] == '-' ? '_' : row_name[i];
        char have = name[i] == '-' ? '_' : name[i];
        if (want != have) {
            return false;
        }
    }
    return true;
}

static const struct flag_row *find_row(const char *name, size_t len)
{
    for (size_t i = 0; i < ROWS(rows); i++) {
        if (strlen(rows[i].name) == len && memcmp(rows[i].name, name, len) == 0) {
            return &rows[i];
        }
    }
    for (size_t i = 0; i < ROWS(own_rows); i++) {
        if (own_name_is(own_rows[i].name, name, len)) {
            return &own_rows[i];
        }
    }
    return NULL;
}

/* --- values --- */

static int parse_bool(const char *s, bool *on_out)
{
    static const char *const yes[] = { "1", "t", "T", "true", "TRUE", "True" };
    static const char *const no[] = { "0", "f", "F", "false", "FALSE", "False" };
    for (size_t i = 0; i < ROWS(yes); i++) {
        if (strcmp(s, yes[i]) == 0 || strcmp(s, no[i]) == 0) {
            *on_out = strcmp(s, yes[i]) == 0;
            return NJ_OK;
        }
    }
    return NJ_E_INVALID;
}

static unsigned take_base(const char **sp)
{
    const char *s = *sp;
    unsigned base = 10;
    if (s[0] == '0' && s[1] != '\0') {
        char c = (char) (s[1] | 0x20);
        base = c == 'x' ? 16 : c == 'b' ? 2 : 8;
        *sp = s + (c == 'x' || c == 'b' || c == 'o' ? 2 : 1);
    }
    return base;
}

static unsigned digit_value(char c)
{
    if (c >= '0' && c <= '9') {
        return (unsigned) (c - '0');
    }
    c = (char) (c | 0x20);
    return c >= 'a' && c <= 'f' ? (unsigned) (c - 'a') + 10 : 99;
}

/*
 * An integer as Go writes them in source: sign, 0x 0o 0b or a leading 0 for the base, single `_`
 * between digits.  NJ_E_INVALID when it is none, NJ_E_LIMIT when it does not fit.
 */
static int parse_int(const char *s, int64_t *number_out)
{
    bool minus = *s == '-';
    s += *s == '-' || *s == '+' ? 1 : 0;
    const char *start = s;
    unsigned base = take_base(&s);
    bool digit_before = s != start; /* after a base prefix `_` may come at once */
    uint64_t max = minus ? (uint64_t) INT64_MAX + 1 : INT64_MAX;
    uint64_t v = 0;
    bool too_big = false;
    if (*s == '\0') {
        return NJ_E_INVALID;
    }
    for (; *s != '\0'; s++) {
        unsigned d = digit_value(*s);
        if (*s == '_' && digit_before && digit_value(s[1]) < base) {
            digit_before = false;
            continue;
        }
        if (d >= base) {
            return NJ_E_INVALID;
        }
        digit_before = true;
        too_big = too_big || v > (max - d) / base;
        v = too_big ? 0 : v * base + d;
    }
    if (too_big) {
        return NJ_E_LIMIT;
    }
    *number_out = minus ? (int64_t) (0 - v) : (int64_t) v;
    return NJ_OK;
}

static int bad_bool(struct nj_error *err, const char *value, const char *name)
{
    char quoted[256];
    return nj_error_set(err, NJ_E_INVALID, "invalid boolean value %s for -%s: parse error",
                        nj_quote_text(value, quoted, sizeof(quoted)), name);
}

static int set_number(struct nj_flag_value *v, const char *name, const char *value,
                      struct nj_error *err)
{
    int rc = parse_int(value, &v->number);
    if (rc < 0) {
        char quoted[256];
        return nj_error_set(err, NJ_E_INVALID, "invalid value %s for flag -%s: %s",
                            nj_quote_text(value, quoted, sizeof(quoted)), name,
                            rc == NJ_E_LIMIT ? "value out of range" : "parse error");
    }
    return NJ_OK;
}

static void add_text(char ***list, size_t *n, char *text)
{
    *list = nj_realloc(*list, (*n + 1) * sizeof(**list));
    (*list)[(*n)++] = text;
}

static void free_texts(char ***list, size_t *n)
{
    for (size_t i = 0; i < *n; i++) {
        nj_dealloc((*list)[i]);
    }
    nj_dealloc(*list);
    *list = NULL;
    *n = 0;
}

/* `value` is NULL for a boolean without `=`. */
static int set_value(struct nj_flags *f, const struct flag_row *row, const char *name,
                     const char *value, struct nj_error *err)
{
    struct nj_flag_value *v = &f->v[row->id];
    v->given = true;
    switch (row->type) {
    case TYPE_BOOL:
        v->on = true;
        if (value != NULL && parse_bool(value, &v->on) < 0) {
            return bad_bool(err, value, name);
        }
        return NJ_OK;
    case TYPE_INT:
        return set_number(v, name, value, err);
    case TYPE_LATER:
        f->later = f->later != NULL ? f->later : row->name;
        return NJ_OK;
    case TYPE_TEXT:
    case TYPE_SECRET:
    case TYPE_USER:
    case TYPE_URLS:
        break;
    }
    if (row->id == NJ_FLAG_PLUGIN_DIR) {
        add_text(&f->plugin_dirs, &f->plugin_dirs_n, nj_strdup(value));
        return NJ_OK;
    }
    if (v->text != NULL) {
        nj_wipe(v->text, strlen(v->text));
        nj_dealloc(v->text);
    }
    v->text = nj_strdup(value);
    return NJ_OK;
}

/* --- what others may see --- */

/* "nats://u:p@h:1,nats://h:2" becomes "nats://[REDACTED]@h:1,nats://h:2"; the caller owns it. */
static char *hide_user_info(const char *urls)
{
    size_t commas = 0;
    for (const char *p = urls; *p != '\0'; p++) {
        commas += *p == ',' ? 1 : 0;
    }
    char *out = nj_alloc(strlen(urls) + (commas + 1) * sizeof(REDACTED));
    char *to = out;
    while (*urls != '\0') {
        size_t len = strcspn(urls, ",");
        const char *scheme = strstr(urls, "://");
        size_t host = scheme != NULL && scheme < urls + len ? (size_t) (scheme - urls) + 3 : 0;
        size_t at = len;
        while (at > host && urls[at - 1] != '@') {
            at--;
        }
        if (at > host) {
            to +=
                sprintf(to, "%.*s%s@%.*s", (int) host, urls, REDACTED, (int) (len - at), urls + at);
        } else {
            to += sprintf(to, "%.*s", (int) len, urls);
        }
        urls += len;
        if (*urls == ',') {
            *to++ = *urls++;
        }
    }
    *to = '\0';
    return out;
}

/* The value as /debug/vars may show it; the caller owns it. */
static char *public_value(enum flag_type type, const char *value)
{
    switch (type) {
    case TYPE_SECRET:
    case TYPE_USER:
        return nj_strdup(REDACTED);
    case TYPE_URLS:
        return hide_user_info(value);
    default:
        return nj_strdup(value);
    }
}

static void add_public_value(struct nj_flags *f, const struct flag_row *row, const char *arg,
                             const char *value)
{
    char *shown = public_value(row->type, value);
    if (value > arg && value <= arg + strlen(arg)) { /* "--pass=x" */
        size_t head = (size_t) (value - arg);
        char *whole = nj_alloc(head + strlen(shown) + 1);
        memcpy(whole, arg, head);
        memcpy(whole + head, shown, strlen(shown) + 1);
        nj_dealloc(shown);
        shown = whole;
    } else {
        add_text(&f->public_args, &f->public_args_n, nj_strdup(arg));
    }
    add_text(&f->public_args, &f->public_args_n, shown);
}

/* In place, for the process list: no longer than it was, and not telling how long that was. */
static void overwrite_secret(char *value)
{
    size_t len = strlen(value);
    size_t n = len < sizeof(REDACTED) - 1 ? len : sizeof(REDACTED) - 1;
    nj_wipe(value, len);
    memcpy(value, REDACTED, n);
}

/* --- the walk --- */

/* One flag at argv[*at]; moves *at past what it took. */
static int parse_flag(int argc, char **argv, int *at, struct nj_flags *f, struct nj_error *err)
{
    char *arg = argv[*at];
    char *name = arg + (arg[1] == '-' ? 2 : 1);
    if (*name == '\0' || *name == '-' || *name == '=') {
        return nj_error_set(err, NJ_E_INVALID, "bad flag syntax: %s", arg);
    }
    char *value = strchr(name, '=');
    size_t len = value != NULL ? (size_t) (value - name) : strlen(name);
    char *name_text = nj_strndup(name, len);
    int rc = NJ_OK;
    const struct flag_row *row = find_row(name, len);
    value = value != NULL ? value + 1 : NULL;
    (*at)++;
    if (row == NULL) {
        rc = nj_error_set(err, NJ_E_INVALID, "flag provided but not defined: -%s", name_text);
        goto out;
    }
    if (value == NULL && row->type != TYPE_BOOL && row->type != TYPE_LATER) {
        if (*at >= argc) {
            rc = nj_error_set(err, NJ_E_INVALID, "flag needs an argument: -%s", name_text);
            goto out;
        }
        value = argv[(*at)++];
    }
    rc = set_value(f, row, name_text, value, err);
    if (value != NULL) {
        add_public_value(f, row, arg, value);
    } else {
        add_text(&f->public_args, &f->public_args_n, nj_strdup(arg));
    }
    if (row->type == TYPE_SECRET) {
        overwrite_secret(value);
    }
out:
    nj_dealloc(name_text);
    return rc;
}

int nj_flags_parse(int argc, char **argv, struct nj_flags *f, struct nj_error *err)
{
    *f = (struct nj_flags){ 0 };
    if (argc > 0) {
        add_text(&f->public_args, &f->public_args_n, nj_strdup(argv[0]));
    }
    int at = 1;
    while (at < argc) {
        const char *arg = argv[at];
        if (arg[0] != '-' || arg[1] == '\0') {
            break;
        }
        if (strcmp(arg, "--") == 0) {
            add_text(&f->public_args, &f->public_args_n, nj_strdup(arg));
            at++;
            break;
        }
        int rc = parse_flag(argc, argv, &at, f, err);
        if (rc < 0) {
            return rc;
        }
    }
    f->word = at < argc ? nj_strdup(argv[at]) : NULL;
    for (; at < argc; at++) {
        add_text(&f->public_args, &f->public_args_n, nj_strdup(argv[at]));
    }
    return NJ_OK;
}

void nj_flags_free(struct nj_flags *f)
{
    for (size_t i = 0; i < NJ_FLAG_COUNT; i++) {
        if (f->v[i].text != NULL) {
            nj_wipe(f->v[i].text, strlen(f->v[i].text));
            nj_dealloc(f->v[i].text);
        }
    }
    free_texts(&f->plugin_dirs, &f->plugin_dirs_n);
    free_texts(&f->public_args, &f->public_args_n);
    nj_dealloc(f->word);
    *f = (struct nj_flags){ 0 };
}

bool nj_flags_on(const struct nj_flags *f, enum nj_flag id)
{
    return f->v[id].given && f->v[id].on;
}

const char *nj_flags_text(const struct nj_flags *f, enum nj_flag id)
{
    const char *text = f->v[id].text;
    return text == NULL || *text == '\0' ? NULL : text;
}

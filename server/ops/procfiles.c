#include "ops/procfiles.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/quote.h"
#include "natterjack/plugin.h"

/* Create or overwrite; on failure the text is "<verb> <path>: <reason>". */
static int write_file(const char *path, mode_t mode, const char *p, size_t len,
                      struct nj_error *err)
{
    char words[96];
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    if (fd < 0) {
        return nj_error_set(err, NJ_E_IO, "open %s: %s", path,
                            nj_errno_text(errno, words, sizeof(words)));
    }
    int rc = NJ_OK;
    while (len > 0) {
        ssize_t n = write(fd, p, len);
        if (n >= 0) {
            p += n;
            len -= (size_t) n;
        } else if (errno != EINTR) {
            rc = nj_error_set(err, NJ_E_IO, "write %s: %s", path,
                              nj_errno_text(errno, words, sizeof(words)));
            break;
        }
    }
    if (close(fd) < 0 && rc == NJ_OK) {
        rc = nj_error_set(err, NJ_E_IO, "close %s: %s", path,
                          nj_errno_text(errno, words, sizeof(words)));
    }
    return rc;
}

int nj_pid_file_write(const char *path, struct nj_error *err)
{
    char pid[16];
    int n = snprintf(pid, sizeof(pid), "%d", (int) getpid());
    int rc = write_file(path, 0600, pid, (size_t) n, err);
    if (rc < 0) {
        nj_error_prefix(err, "Could not write pidfile");
    }
    return rc;
}

/* --- ports --- */

static void add_url(struct nj_ports *p, enum nj_ports_key key, const char *scheme, const char *host,
                    int port)
{
    char url[512];
    const char *open_bracket = strchr(host, ':') != NULL ? "[" : "";
    (void) snprintf(url, sizeof(url), "%s://%s%s%s:%d", scheme, open_bracket, host,
                    open_bracket[0] != '\0' ? "]" : "", port);
    size_t n = p->urls_n[key]++;
    p->urls[key] = nj_realloc(p->urls[key], (n + 1) * sizeof(*p->urls[key]));
    p->urls[key][n] = nj_strdup(url);
}

/* An address as text; false for a family that nobody can connect with. */
static bool address_text(const struct sockaddr *sa, char *out, size_t cap)
{
    if (sa->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, sa, sizeof(v4));
        return inet_ntop(AF_INET, &v4.sin_addr, out, (socklen_t) cap) != NULL;
    }
    if (sa->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, sa, sizeof(v6));
        return inet_ntop(AF_INET6, &v6.sin6_addr, out, (socklen_t) cap) != NULL;
    }
    return false;
}

/* getifaddrs() lists all of IPv4 first; the reference goes interface by interface. */
static bool add_interface(struct nj_ports *p, enum nj_ports_key key, const char *scheme, int port,
                          const struct ifaddrs *list, const char *name)
{
    bool added = false;
    for (const struct ifaddrs *i = list; i != NULL; i = i->ifa_next) {
        char text[INET6_ADDRSTRLEN];
        if (strcmp(i->ifa_name, name) == 0 && i->ifa_addr != NULL && (i->ifa_flags & IFF_UP) != 0 &&
            address_text(i->ifa_addr, text, sizeof(text))) {
            add_url(p, key, scheme, text, port);
            added = true;
        }
    }
    return added;
}

static bool add_every_interface(struct nj_ports *p, enum nj_ports_key key, const char *scheme,
                                int port)
{
    struct ifaddrs *list = NULL;
    if (getifaddrs(&list) < 0) {
        return false;
    }
    bool added = false;
    for (const struct ifaddrs *i = list; i != NULL; i = i->ifa_next) {
        bool seen = false;
        for (const struct ifaddrs *before = list; before != i; before = before->ifa_next) {
            seen = seen || strcmp(before->ifa_name, i->ifa_name) == 0;
        }
        if (!seen) {
            added = add_interface(p, key, scheme, port, list, i->ifa_name) || added;
        }
    }
    freeifaddrs(list);
    return added;
}

void nj_ports_add(struct nj_ports *p, enum nj_ports_key key, const char *scheme, const char *host,
                  int port)
{
    bool wildcard = host == NULL || *host == '\0' || strcmp(host, "0.0.0.0") == 0 ||
                    strcmp(host, "::") == 0 || strcmp(host, "[::]") == 0;
    if (!wildcard) {
        add_url(p, key, scheme, host, port);
    } else if (!add_every_interface(p, key, scheme, port)) {
        add_url(p, key, scheme, "127.0.0.1", port);
    }
}

/* Hosts and schemes are ours; only quote and backslash could end the string. */
static void put_string(struct nj_buf *out, const char *s)
{
    (void) nj_buf_putc(out, '"');
    for (; *s != '\0'; s++) {
        if (*s == '"' || *s == '\\') {
            (void) nj_buf_putc(out, '\\');
        }
        if ((unsigned char) *s >= 0x20) {
            (void) nj_buf_putc(out, *s);
        }
    }
    (void) nj_buf_putc(out, '"');
}

static void put_json(const struct nj_ports *p, struct nj_buf *out)
{
    static const char *const keys[NJ_PORTS_COUNT] = {
        [NJ_PORTS_NATS] = "nats",           [NJ_PORTS_MONITORING] = "monitoring",
        [NJ_PORTS_CLUSTER] = "cluster",     [NJ_PORTS_PROFILE] = "profile",
        [NJ_PORTS_WEBSOCKET] = "websocket",
    };
    (void) nj_buf_putc(out, '{');
    for (size_t key = 0; key < NJ_PORTS_COUNT; key++) {
        if (p->urls_n[key] == 0) {
            continue;
        }
        (void) nj_buf_printf(out, "%s\"%s\":[", out->len > 1 ? "," : "", keys[key]);
        for (size_t i = 0; i < p->urls_n[key]; i++) {
            (void) nj_buf_puts(out, i > 0 ? "," : "");
            put_string(out, p->urls[key][i]);
        }
        (void) nj_buf_putc(out, ']');
    }
    (void) nj_buf_putc(out, '}');
}

int nj_ports_write(struct nj_ports *p, const char *dir, const char *program, struct nj_error *err)
{
    struct nj_buf path, json;
    nj_buf_init(&path, SIZE_MAX);
    nj_buf_init(&json, SIZE_MAX);
    (void) nj_buf_printf(&path, "%s/%s_%d.ports", dir, program, (int) getpid());
    put_json(p, &json);

    struct nj_error why = NJ_ERROR_INIT;
    int rc = write_file(path.ptr, 0666, json.ptr, json.len, &why);
    if (rc < 0) {
        (void) nj_error_set(err, rc, "Error writing ports file (%s): %.200s", path.ptr, why.text);
    } else {
        nj_dealloc(p->path);
        p->path = nj_buf_take(&path);
    }
    nj_buf_free(&path);
    nj_buf_free(&json);
    return rc;
}

int nj_ports_remove(struct nj_ports *p, struct nj_error *err)
{
    int rc = NJ_OK;
    if (p->path == NULL) {
        return NJ_OK;
    }
    if (unlink(p->path) < 0) {
        char words[96];
        (void) nj_errno_text(errno, words, sizeof(words));
        rc = nj_error_set(err, NJ_E_IO, "Error cleaning up ports file %s: remove %s: %s", p->path,
                          p->path, words);
    }
    nj_dealloc(p->path);
    p->path = NULL;
    return rc;
}

void nj_ports_free(struct nj_ports *p)
{
    for (size_t key = 0; key < NJ_PORTS_COUNT; key++) {
        for (size_t i = 0; i < p->urls_n[key]; i++) {
            nj_dealloc(p->urls[key][i]);
        }
        nj_dealloc(p->urls[key]);
    }
    nj_dealloc(p->path);
    *p = (struct nj_ports){ 0 };
}

#include "plugin/list.h"

#include <string.h>

#include "base/alloc.h"
#include "natterjack/authmap.h"
#include "natterjack/tls.h"
#include "plugin/loader.h"
#include "plugin/registry.h"

enum { COL_KIND, COL_NAME, COL_VERSION, COL_ABI, COL_LIBRARY, COL_FILE, COL_COUNT };

struct row {
    char *cell[COL_COUNT];
    uint64_t caps;     /* of a provider */
    const char *about; /* of a mapper; NULL */
};

static const struct {
    uint64_t bit;
    const char *name;
} cap_names[] = {
    { NJ_TLS_CAP_TLS12, "tls1.2" },
    { NJ_TLS_CAP_TLS13, "tls1.3" },
    { NJ_TLS_CAP_CRL, "crl" },
    { NJ_TLS_CAP_STAPLE, "staple" },
    { NJ_TLS_CAP_PKCS11, "pkcs11" },
    { NJ_TLS_CAP_KTLS, "ktls" },
    { NJ_TLS_CAP_FIPS_ACTIVE, "fips-active" },
    { NJ_TLS_CAP_TICKETS, "tickets" },
    { NJ_TLS_CAP_RESUME_KEEPS_CERT, "resume-keeps-cert" },
    { NJ_TLS_CAP_SERVER_PREFERENCE, "server-preference" },
    { NJ_TLS_CAP_GROUP_ORDER, "group-order" },
    { NJ_TLS_CAP_GROUPS_1_2, "groups-tls1.2" },
    { NJ_TLS_CAP_KEY_UPDATE, "key-update" },
    { NJ_TLS_CAP_BLOCKING_KEY, "blocking-key" },
    { NJ_TLS_CAP_AES_ASM, "aes-hardware" },
    { NJ_TLS_CAP_ALPN, "alpn" },
    { NJ_TLS_CAP_TEST_ONLY, "test-only" },
};

static char *library_text(const struct nj_tls_provider *p)
{
    struct nj_tls_about about = { .size = sizeof(about) };
    p->about(&about);
    return nj_strprintf("%s %s", about.lib_name != NULL ? about.lib_name : "?",
                        about.lib_version != NULL ? about.lib_version : "?");
}

/* What stands in the column of the library. */
static void fill_library(struct row *row, const struct nj_plugin_entry *e)
{
    if (e->kind == NJ_PLUGIN_TLS) {
        const struct nj_tls_provider *p = e->plugin->iface;
        row->cell[COL_LIBRARY] = library_text(p);
        row->caps = p->caps();
    } else {
        row->cell[COL_LIBRARY] = nj_strdup("-");
    }
    if (e->kind == NJ_PLUGIN_AUTHMAP) {
        const struct nj_authmap *m = e->plugin->iface;
        row->about = m->about;
    }
}

static void fill_row(struct row *row, const struct nj_plugin_entry *e)
{
    row->cell[COL_KIND] = nj_strdup(nj_plugin_kind_name(e->kind));
    row->cell[COL_NAME] = nj_strdup(e->name);
    row->cell[COL_VERSION] = nj_strdup(e->plugin->version);
    row->cell[COL_ABI] =
        nj_strprintf("%u.%u", (unsigned) e->plugin->abi_major, (unsigned) e->plugin->abi_minor);
    row->cell[COL_FILE] = nj_strdup(e->path);
    fill_library(row, e);
}

static void print_cells(FILE *to, const char *const *cells, const size_t *widths)
{
    for (int c = 0; c < COL_COUNT - 1; c++) {
        (void) fprintf(to, "%-*s  ", (int) widths[c], cells[c]);
    }
    (void) fprintf(to, "%s\n", cells[COL_COUNT - 1]);
}

static void print_caps(FILE *to, uint64_t caps)
{
    (void) fputs("    can:", to);
    for (size_t i = 0; i < sizeof(cap_names) / sizeof(cap_names[0]); i++) {
        if ((caps & cap_names[i].bit) != 0) {
            (void) fprintf(to, " %s", cap_names[i].name);
        }
    }
    (void) fputc('\n', to);
}

static void print_rows(FILE *to, struct row *rows, size_t rows_n)
{
    static const char *const titles[COL_COUNT] = { "KIND", "NAME",    "VERSION",
                                                   "ABI",  "LIBRARY", "FILE" };
    size_t widths[COL_COUNT];

    for (int c = 0; c < COL_COUNT; c++) {
        widths[c] = strlen(titles[c]);
        for (size_t i = 0; i < rows_n; i++) {
            size_t len = strlen(rows[i].cell[c]);
            widths[c] = len > widths[c] ? len : widths[c];
        }
    }
    print_cells(to, titles, widths);
    for (size_t i = 0; i < rows_n; i++) {
        print_cells(to, (const char *const *) rows[i].cell, widths);
        if (rows[i].caps != 0) {
            print_caps(to, rows[i].caps);
        }
        if (rows[i].about != NULL) {
            (void) fprintf(to, "    %s\n", rows[i].about);
        }
    }
}

void nj_plugins_print(FILE *to, const struct nj_registry *reg)
{
    size_t n = nj_registry_count(reg);
    struct row *rows = nj_calloc(n + 1, sizeof(*rows));
    size_t rows_n = 0;
    size_t refused_n = 0;

    for (size_t i = 0; i < n; i++) {
        const struct nj_plugin_entry *e = nj_registry_entry(reg, i);
        if (e->plugin != NULL) {
            fill_row(&rows[rows_n++], e);
        } else {
            refused_n++;
        }
    }
    if (rows_n > 0) {
        print_rows(to, rows, rows_n);
    } else {
        (void) fputs("no plug-ins in use\n", to);
    }
    if (refused_n > 0) {
        (void) fputs("\nrefused:\n", to);
    }
    for (size_t i = 0; i < n; i++) {
        const struct nj_plugin_entry *e = nj_registry_entry(reg, i);
        if (e->refused != NULL) {
            (void) fprintf(to, "  %s\n", e->refused);
        }
    }
    for (size_t i = 0; i < rows_n; i++) {
        for (int c = 0; c < COL_COUNT; c++) {
            nj_dealloc(rows[i].cell[c]);
        }
    }
    nj_dealloc(rows);
}

/*
 * Options (ops/options.h): any configuration becomes options or sentences, never both none; a
 * second reading says the same.
 *
 * Input: see FUZZ_FILE in fuzz.h.
 */
#include "ops/options.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void) argc;
    (void) argv;
    (void) clearenv();
    return 0;
}

static void check_strings(char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        FUZZ_CHECK(list[i] != NULL && strlen(list[i]) < SIZE_MAX / 2, "string %zu of %zu", i, n);
    }
}

static void check_good(const struct nj_options *o)
{
    struct nj_error err = NJ_ERROR_INIT;
    FUZZ_CHECK(o->host != NULL && o->http_base_path != NULL, "a default is missing");
    FUZZ_CHECK(o->server_metadata_n % 2 == 0, "%zu keys and values", o->server_metadata_n);
    check_strings(o->server_tags, o->server_tags_n);
    check_strings(o->server_metadata, o->server_metadata_n);
    check_strings(o->plugin_dirs, o->plugin_dirs_n);
    if (nj_options_check(o, &err) != NJ_OK) {
        FUZZ_CHECK(err.text[0] != '\0', "refused without a word");
    }
}

static int load(const uint8_t *data, size_t len, struct nj_buf *messages)
{
    struct nj_options o;
    fuzz_files_set(data, len);
    nj_options_init(&o);
    int rc = nj_options_load(FUZZ_FILE, NULL, &o, messages);
    FUZZ_CHECK(rc == NJ_OK || messages->len > 0, "result %d without a word", rc);
    check_strings(o.unserved, o.unserved_n);
    check_strings(o.ignored, o.ignored_n);
    if (rc == NJ_OK) {
        check_good(&o);
    }
    nj_options_free(&o);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct nj_buf first, second;
    nj_buf_init(&first, SIZE_MAX);
    nj_buf_init(&second, SIZE_MAX);
    int rc = load(data, len, &first);
    FUZZ_CHECK(load(data, len, &second) == rc, "the second reading has another result");
    fuzz_same(&first, &second, "the messages of two readings");
    nj_buf_free(&first);
    nj_buf_free(&second);
    return 0;
}

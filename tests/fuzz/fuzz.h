/*
 * fuzz.h: what the fuzz targets share.
 *
 * Each target is one file with LLVMFuzzerTestOneInput(): any bytes come in, nothing may go wrong,
 * and what its head comment promises must hold.  A broken promise ends the process with a
 * sentence, which libFuzzer takes for a crash and keeps the input.
 */
#ifndef NJ_TESTS_FUZZ_H
#define NJ_TESTS_FUZZ_H
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* The input of a target: decisions at the front, the bytes to be read behind them. */
struct fuzz_in {
    const uint8_t *ptr;
    size_t len;
};

/* The next byte, 0 when there is none left. */
uint8_t fuzz_byte(struct fuzz_in *in);

/*
 * Cuts for the bytes that follow.  The first byte of the input says how many sizes come after it
 * (0 to 15); they are used in turn, 0 standing for 256.  Without sizes there is one piece.
 */
struct fuzz_cuts {
    uint8_t size[15];
    size_t n;
    size_t next;
};

void fuzz_cuts_take(struct fuzz_cuts *cuts, struct fuzz_in *in);
size_t fuzz_cuts_next(struct fuzz_cuts *cuts, size_t left);

/* A copy of exactly these bytes, so that the sanitizer sees what is read around them. */
uint8_t *fuzz_copy(const void *bytes, size_t len);

_Noreturn void fuzz_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#define FUZZ_CHECK(holds, ...)                                                                     \
    do {                                                                                           \
        if (!(holds)) {                                                                            \
            fuzz_fail(__VA_ARGS__);                                                                \
        }                                                                                          \
    } while (0)

/* Both runs left the same bytes? */
struct nj_buf;
void fuzz_same(const struct nj_buf *whole, const struct nj_buf *split, const char *what);

/* ---- files (files.c, linked with --wrap=open) ------------------------------------------------- */

/*
 * Nothing on disk can be opened.  FUZZ_FILE is the input up to the first byte 0xff, FUZZ_INCLUDED
 * what follows it; FUZZ_OPENS_MAX calls of open() are answered, for files may include themselves.
 */
#define FUZZ_FILE "fuzz.conf"
#define FUZZ_INCLUDED "more.conf"
#define FUZZ_OPENS_MAX 8

void fuzz_files_set(const uint8_t *data, size_t len);
/* The part that is FUZZ_FILE, for a target that has it read from memory: one opening less is left
 * afterwards. */
struct fuzz_in fuzz_files_first(void);

#endif

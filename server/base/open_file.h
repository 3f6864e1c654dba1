/*
 * open_file.h: opening what an operator named, to read it.
 *
 * At the start a pipe is as good as a file, and waiting for it holds up nobody.  Once clients are
 * served, the thread that would wait is the one that hears signals and answers health probes.
 */
#ifndef NJ_BASE_OPEN_FILE_H
#define NJ_BASE_OPEN_FILE_H
#include <stddef.h>

/* From now on nothing that could be waited for is opened.  Main thread, once. */
void nj_open_files_only(void);

/*
 * A descriptor to read from, closed on exec.  -1: `why` says it in the words of the reference,
 * without the path.  Any thread.
 */
int nj_open_to_read(const char *path, char *why, size_t cap);

#endif

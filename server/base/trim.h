/*
 * trim.h: memory that went free all at once goes back to the system.
 *
 * The C library keeps freed memory for the next allocation.  After ten thousand connections or a
 * subscriber with 64 MiB have gone, that is most of the process, for ever.  Giving it back stops
 * the threads that allocate for some milliseconds, so it is done when there is much of it and the
 * storm is over.
 */
#ifndef NJ_BASE_TRIM_H
#define NJ_BASE_TRIM_H
#include <stdbool.h>
#include <stddef.h>

#define NJ_TRIM_EVERY_MS 2000

/*
 * Main thread, before there are others.  Small pieces join their neighbours when they are freed: else
 * the C library keeps them apart until something large is allocated or freed, and whoever does that
 * waits while hundreds of thousands are joined.
 */
void nj_trim_init(void);

/* About so many bytes, of things that may be many, were freed.  Any thread. */
void nj_trim_note(size_t bytes);

/* Every NJ_TRIM_EVERY_MS, from one thread.  True when memory was given back. */
bool nj_trim_when_calm(void);

#endif

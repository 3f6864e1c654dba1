/* signal_cmd.h: --signal, a word to a server that runs already. */
#ifndef NJ_OPS_SIGNAL_CMD_H
#define NJ_OPS_SIGNAL_CMD_H
#include <stddef.h>
#include <sys/types.h>

struct nj_error;

/* SIGHUP for "reload" and so on; 0 when there is no such word. */
int nj_signal_number(const char *word);

/*
 * Processes other than this one that are named `program`, or that bear the other of our two names
 * (natterjack, nats-server) and run the very file this process runs.  In ascending order; the caller frees *pids_out (nj_dealloc).
 * NJ_E_IO when /proc cannot be read.
 */
int nj_signal_find(const char *program, pid_t **pids_out, size_t *n_out, struct nj_error *err);

/*
 * Carry out "<word>[=<pid>]".  <pid> is the path of a file with a pid in it, a pid, or the start
 * of pids with a `*` behind it; without it the one other server is meant.
 * NJ_OK when the signal was sent, else the sentence to print.
 */
int nj_signal_command(const char *program, const char *command, struct nj_error *err);

#endif

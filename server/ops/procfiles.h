/* procfiles.h: the files that tell others who we are (pid file) and where we listen (ports file). */
#ifndef NJ_OPS_PROCFILES_H
#define NJ_OPS_PROCFILES_H
#include <stddef.h>

struct nj_error;

/*
 * Write our pid, decimal without a newline, mode 0600.  It is not removed at exit: an init script
 * reads it after the fact.
 * NJ_E_IO with the whole sentence for the FTL line ("Could not write pidfile: open /x: …").
 */
int nj_pid_file_write(const char *path, struct nj_error *err);

/* Keys of the ports file, in the order in which they appear there. */
enum nj_ports_key {
    NJ_PORTS_NATS,
    NJ_PORTS_MONITORING,
    NJ_PORTS_CLUSTER,
    NJ_PORTS_PROFILE,
    NJ_PORTS_WEBSOCKET,
    NJ_PORTS_COUNT
};

/* What is listened on.  Main thread; zero it, add to it, write it, remove it. */
struct nj_ports {
    char **urls[NJ_PORTS_COUNT];
    size_t urls_n[NJ_PORTS_COUNT];
    char *path; /* of the file that was written; NULL before and after */
};

/*
 * Add "<scheme>://<host>:<port>"; IPv6 gets brackets.  A wildcard host ("", "0.0.0.0", "::") adds
 * one URL for each address of this machine, loopback included.
 */
void nj_ports_add(struct nj_ports *p, enum nj_ports_key key, const char *scheme, const char *host,
                  int port);

/*
 * Write <dir>/<program>_<pid>.ports, one line of JSON without a newline.
 * NJ_E_IO with the whole sentence for the ERR line; the server goes on then.
 */
int nj_ports_write(struct nj_ports *p, const char *dir, const char *program, struct nj_error *err);

/* Remove the file if it was written.  NJ_E_IO with the whole sentence for the ERR line. */
int nj_ports_remove(struct nj_ports *p, struct nj_error *err);

/* Forget all; does not remove the file. */
void nj_ports_free(struct nj_ports *p);

#endif

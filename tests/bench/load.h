/* load.h: connections of the load generator and the loop that they share. */
#ifndef NJ_TESTS_BENCH_LOAD_H
#define NJ_TESTS_BENCH_LOAD_H
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    LOAD_READ_LEN = 256 * 1024,  /* one buffer for all connections */
    LOAD_KEEP_LEN = 1024,        /* an unfinished line and the head of its payload */
    LOAD_SESSION_LEN = 8 * 1024, /* a TLS session in DER */
    LOAD_STAMP_LEN = 16,         /* publisher and number, at the start of a payload */
};

/* What a connection is doing. */
enum load_state {
    LOAD_CLOSED,
    LOAD_DIALLING,  /* TCP */
    LOAD_INFO,      /* waiting for the server's first line */
    LOAD_HANDSHAKE, /* TLS */
    LOAD_GREETING,  /* CONNECT and PING are out, PONG is awaited */
    LOAD_READY,
};

struct load_loop;

struct load_conn {
    struct load_loop *loop;
    uint32_t id;
    int fd;
    enum load_state state;
    bool want_write; /* the rest of `out` waits for room in the socket */
    SSL *ssl;        /* NULL on plain connections */

    const char *out; /* borrowed until all of it is written */
    size_t out_len;

    char keep[LOAD_KEEP_LEN]; /* the start of something that has not fully arrived */
    size_t keep_len;
    size_t skip; /* bytes of a payload still to come that nobody looks at */

    uint64_t got;       /* messages */
    uint64_t *expected; /* by publisher: the next number; owned by the mode */
    uint64_t pongs;
};

/* What a mode does when something happens on a connection.  Members may be NULL. */
struct load_events {
    void (*ready)(struct load_conn *c);
    void (*writable)(struct load_conn *c); /* `out` is empty again */
    /* A message: its MSG line without the line's end, and the start of its payload, as much as a
     * stamp takes. */
    void (*message)(struct load_conn *c, const char *line, size_t line_len, const char *head);
};

struct load_loop {
    int epoll_fd;
    struct load_events on;
    uint16_t port;
    SSL_CTX *tls;         /* NULL: plain */
    bool resume;
    /* The newest session in DER, when sessions are to be resumed: connections at the same time must
     * not share an object that OpenSSL changes. */
    unsigned char session[LOAD_SESSION_LEN];
    long session_len;
    uint64_t resumed;
    uint64_t handshakes;
    uint64_t misplaced; /* messages whose number was not the next one */
    uint32_t source;    /* counts source addresses, so that ports do not run out */
    char read_buf[LOAD_KEEP_LEN + LOAD_READ_LEN];
};

/* A TLS context as the goals want it: TLS_AES_128_GCM_SHA256 and X25519, or TLS 1.2 alike. */
SSL_CTX *load_tls_new(struct load_loop *loop, bool tls12);

/* Start to connect.  `on.ready` tells when PONG has come.  Ends the program when it fails. */
void load_conn_open(struct load_conn *c);
void load_conn_close(struct load_conn *c);

/* Send, borrowing `bytes` until `out_len` is 0 again.  Nothing may be under way. */
void load_conn_send(struct load_conn *c, const char *bytes, size_t len);

/* The same for small things between which the loop runs: waits until all is written. */
void load_conn_send_now(struct load_conn *c, const char *bytes, size_t len);

/* Wait at most timeout_ms and handle what happened.  Descriptors whose data pointer is NULL are
 * not looked at.  Returns the number of events. */
int load_loop_turn(struct load_loop *loop, int timeout_ms);

/* ---- what is measured ----------------------------------------------------------------------- */

struct load_options {
    pid_t pid; /* of the server, whose CPU time is read; 0: none */
    uint16_t port;
    bool tls;
    bool tls12;
    bool resume;
    int publishers;
    int subscribers;
    int subjects;
    int size;
    int count;       /* connections, subscriptions */
    int concurrency; /* of connects */
    int rate;        /* requests a second */
    double warmup_s;
    double measure_s;
    char **command; /* of the server, to be started */
};

/* One instant of a running load. */
struct load_sample {
    uint64_t wall_ns;
    uint64_t server_ns; /* user and system time */
    uint64_t own_ns;
    uint64_t count;
};

uint64_t load_now_ns(void);
struct load_sample load_sample_take(const struct load_options *o, uint64_t count);

/* Print a result as one line of JSON; `more` is NULL or further members. */
void load_report(const struct load_options *o, const struct load_sample *from,
                 const struct load_sample *to, const char *more);

/* Open n connections, some at a time, and wait until all are ready. */
void load_open_all(struct load_loop *loop, struct load_conn *conns, int n, int at_a_time);

/* Publishers as fast as they can, to no subscriber or to all of them. */
void load_flow(struct load_loop *loop, const struct load_options *o);
/* Requests at a fixed rate, answered by a second connection. */
void load_request(struct load_loop *loop, const struct load_options *o);

_Noreturn void load_die(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif

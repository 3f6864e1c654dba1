/*
 * parse.h: bytes of a client -> operations.  The grammar of the NATS client protocol and nothing
 * else: no socket, no account, no state but its own.
 *
 * Pull style: call nj_parse() until it says NJ_NEED_IN.  Any split of the input gives the same
 * operations.  While an operation is complete in the input, its parts point into the input and
 * nothing is allocated; memory is held only while a line or payload is incomplete.
 */
#ifndef NJ_PROTO_PARSE_H
#define NJ_PROTO_PARSE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nj_payload;

enum nj_op {
    NJ_OP_NONE,
    NJ_OP_CONNECT,
    NJ_OP_INFO,
    NJ_OP_PING,
    NJ_OP_PONG,
    NJ_OP_OK,
    NJ_OP_ERR,
    NJ_OP_PUB_LINE, /* the control line of PUB or HPUB: for trace, before the payload is here */
    NJ_OP_PUB,      /* PUB or HPUB with its payload */
    NJ_OP_SUB,
    NJ_OP_UNSUB
};

enum nj_parse_error {
    NJ_PARSE_OK,
    NJ_PARSE_UNKNOWN_OP,    /* -ERR 'Unknown Protocol Operation' */
    NJ_PARSE_CONTROL_LINE,  /* longer than max_control_line */
    NJ_PARSE_MAX_PAYLOAD,   /* `size` is over max_payload */
    NJ_PARSE_PUB_ARGS,      /* the rest: no -ERR, one log line with the argument quoted */
    NJ_PARSE_PUB_SIZE,
    NJ_PARSE_HPUB_ARGS,
    NJ_PARSE_HPUB_HEADER_SIZE,
    NJ_PARSE_HPUB_TOTAL_SIZE,
    NJ_PARSE_HPUB_HEADER_LARGER,
    NJ_PARSE_HEADERS_OFF,
    NJ_PARSE_SUB_ARGS,
    NJ_PARSE_UNSUB_ARGS
};

struct nj_text {
    const char *ptr;
    uint32_t len;
};

/* One operation.  Borrowed until the next nj_parse() on this parser or the end of the input. */
struct nj_event {
    enum nj_op op;
    bool headers;        /* HPUB */
    struct nj_text arg;  /* the argument as it came */
    struct nj_text subject, reply, queue, sid, max;
    struct nj_text hdr_digits, size_digits; /* as they were sent */
    uint32_t hdr_len, size;                 /* size: headers and payload */
    const uint8_t *payload;                 /* size bytes, followed by CR LF */
    struct nj_payload *shared;              /* payload lies at its start; borrowed; or NULL */
    /* on failure */
    enum nj_parse_error error;
    int state;         /* number of the state, as the reference counts them */
    const uint8_t *at; /* the offending byte */
};

struct nj_parser {
    /* set by the owner, at any time */
    int32_t max_control_line;
    int32_t max_payload; /* < 0: no limit */
    bool headers_on;     /* this client and this server speak headers */
    bool line_events;    /* give NJ_OP_PUB_LINE too */
    /* own */
    uint8_t stage;
    uint8_t verb_len;
    enum nj_op op;
    bool op_headers;
    char verb[8];
    char *line; /* an incomplete argument, or that of a PUB whose payload is incomplete */
    uint32_t line_len, line_cap;
    struct nj_payload *payload;
    uint32_t payload_have;
    struct nj_event pub;
};

void nj_parser_init(struct nj_parser *p);
void nj_parser_fini(struct nj_parser *p);

/* NJ_OK: ev is filled; NJ_NEED_IN: all was used; NJ_E_INVALID: ev->error says why. */
int nj_parse(struct nj_parser *p, const uint8_t *in, size_t len, size_t *used_out,
             struct nj_event *ev);

/* At the first byte of an operation? */
bool nj_parser_at_start(const struct nj_parser *p);

/* In the midst of a CONNECT: what was given last may have held a part of a password. */
bool nj_parser_in_connect(const struct nj_parser *p);

/* A large payload that is half here: where the next bytes may be put, and how many.  Its CR LF is
 * not among them: that comes through nj_parse(), which can then point at a wrong byte. */
size_t nj_parser_direct(struct nj_parser *p, uint8_t **to_out);
void nj_parser_direct_done(struct nj_parser *p, size_t n);

#endif

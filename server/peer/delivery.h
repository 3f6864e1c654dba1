/*
 * delivery.h: a message on its way to subscribers: bytes into outboxes here, records into batches
 * for other workers, and back out of batches on the other side.
 */
#ifndef NJ_PEER_DELIVERY_H
#define NJ_PEER_DELIVERY_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/parse.h"

struct nj_client;
struct nj_item;
struct nj_match;
struct nj_payload;
struct nj_sub;
struct nj_worker;

/* Who published, as far as other workers need to know. */
struct nj_publisher {
    uint64_t cid;
    uint32_t slot, slot_gen;
    uint16_t worker;
    bool echo;
    bool wants_503; /* no_responders, and a reply was given */
};

/* What all control lines of one message have in common: "MSG subject " and " [reply] size\r\n".
 * Written once, for as many subscribers as there are. */
struct nj_message_line {
    bool made, fits;
    uint16_t head_len, tail_len;
    char text[256]; /* head, tail */
};

struct nj_message {
    struct nj_text subject, reply, hdr_digits, size_digits;
    uint32_t hdr_len, size;
    const uint8_t *payload;    /* size bytes and CR LF */
    struct nj_payload *shared; /* payload lies at its start; NULL: borrowed bytes */
    struct nj_publisher from;
    unsigned hops; /* how often a queue message was handed on */
    struct nj_message_line lines[2]; /* MSG, HMSG; `made` false at the start */
};

struct nj_delivery {
    struct nj_worker *w;
    struct nj_message *msg;
    struct nj_client *producer; /* NULL when it is on another worker */
    struct nj_payload *own;     /* made here, to be given back */
};


void nj_delivery_begin(struct nj_delivery *d, struct nj_worker *w, struct nj_message *msg,
                       struct nj_client *producer);
/* nj_route_sink.deliver; user is the struct nj_delivery. */
bool nj_delivery_to(void *user, struct nj_sub *sub, bool in_queue);
/* The records of this message are complete. */
void nj_delivery_end(struct nj_delivery *d);

/* Nobody took a request: tell the publisher, wherever it is. */
void nj_delivery_no_responders(struct nj_worker *w, const struct nj_message *msg);

/* Remove the subscriptions that reached their maximum.  Outside the message scope. */
void nj_delivery_remove_done(struct nj_worker *w);

/* item.run of a batch. */
void nj_delivery_run_batch(struct nj_worker *w, struct nj_item *item);

#endif

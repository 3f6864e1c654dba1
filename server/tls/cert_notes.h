/*
 * cert_notes.h: what is wrong with our own certificates although a server can start with them.
 *
 * The reference starts in silence, and then every client leaves with a complaint about something that
 * could be read in the file.  Nothing is refused here; a person is told.
 */
#ifndef NJ_TLS_CERT_NOTES_H
#define NJ_TLS_CERT_NOTES_H
#include <stdint.h>

#include "tls/block.h"
#include "tls/material.h"

/*
 * One sentence (NJ_LOG_WARN) for each thing that makes clients refuse a certificate: its time, no
 * names, a usage that is not a server's, a chain that is not in order.  Each begins with the file.
 * Certificates that cannot be read are passed over: the provider has judged them.
 */
void nj_tls_cert_notes(const struct nj_tls_material *material, int64_t now_s, nj_tls_note_fn note);

#endif

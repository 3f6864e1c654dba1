/* mapper_answer.h: how an answer of a mapper becomes ours.  Any thread. */
#ifndef NJ_AUTH_MAPPER_ANSWER_H
#define NJ_AUTH_MAPPER_ANSWER_H
#include "auth/mappers.h"

/* A copy; what cannot be understood becomes a faulty DENY. */
struct nj_mapper_answer *nj_mapper_answer_copy(const struct nj_authmap_answer *from);

/* A DENY because of the mapper itself. */
struct nj_mapper_answer *nj_mapper_answer_fault(const char *why);

#endif

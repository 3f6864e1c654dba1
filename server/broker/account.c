#include "broker/account.h"

#include "base/alloc.h"
#include "broker/index.h"

struct nj_account *nj_account_new(const char *name)
{
    struct nj_account *a = nj_zalloc(sizeof(*a));
    a->name = nj_strdup(name);
    a->index = nj_index_new();
    return a;
}

void nj_account_free(struct nj_account **ap)
{
    struct nj_account *a = *ap;
    if (a == NULL) {
        return;
    }
    *ap = NULL;
    nj_index_free(&a->index);
    nj_dealloc((char *) (uintptr_t) a->name);
    nj_dealloc(a);
}

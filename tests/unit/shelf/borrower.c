/* borrower.c: a shared object without a door that needs a library which has one. */
#include "natterjack/plugin.h"

NJ_EXPORT const char *nj_shelf_lender_name(void);

const char *nj_shelf_lender_name(void)
{
    return nj_plugin_v1()->name;
}

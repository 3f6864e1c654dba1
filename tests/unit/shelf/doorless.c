/* doorless.c: a shared object that is no plug-in. */
#include "natterjack/plugin.h"

NJ_EXPORT int nj_shelf_number(void);

int nj_shelf_number(void)
{
    return 7;
}

/* undefined.c: a plug-in that calls a function which no library has. */
#include "natterjack/plugin.h"

int nj_nobody_has_this(void);

const struct nj_plugin *nj_plugin_v1(void)
{
    return nj_nobody_has_this() == 0 ? NULL : NULL;
}

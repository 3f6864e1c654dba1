/* main.c: start and stop. */
#include <stdio.h>

int main(void)
{
    (void) printf("natterjack: v%s\n", NJ_VERSION);
    return 0;
}

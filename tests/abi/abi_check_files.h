/* abi_check_files.h: the certificates of tests/corpus/abi, inside the program. */
#ifndef NJ_TESTS_ABI_ABI_CHECK_FILES_H
#define NJ_TESTS_ABI_ABI_CHECK_FILES_H

#include "tests/abi/pair.h"

extern const struct nj_kit_embedded nj_kit_abi_check_files[];

#endif

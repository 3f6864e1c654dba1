/*
 * minimal.cc: the same provider as C++ (C++20 for the designated initialisers), and what the
 * headers promise to C++ besides: structs that C lays out the same, errors that start out empty.
 */
#include <type_traits>

#define MINIMAL_NAME "minimal-cxx"
#include "minimal.c"

static_assert(std::is_standard_layout_v<nj_tls_provider> && std::is_trivial_v<nj_tls_provider>);
static_assert(std::is_standard_layout_v<nj_plugin> && std::is_trivial_v<nj_plugin>);
static_assert(std::is_standard_layout_v<nj_host> && std::is_trivial_v<nj_host>);
static_assert(std::is_same_v<decltype(&nj_plugin_v1), nj_plugin_door_fn>);

static const nj_error empty = NJ_ERROR_INIT;

/* A failed static initialiser would end the program that loads the plug-in. */
static const bool checked = [] {
    if (empty.size != sizeof(nj_error) || empty.alert != NJ_ALERT_NONE || empty.depth != -1 ||
        !NJ_TLS_HAS(&provider, seal) || NJ_TLS_HAS(&provider, key_update)) {
        __builtin_trap();
    }
    return true;
}();

/*
 * plugin.h: the door between natterjack and its plug-ins, and the vocabulary both sides share.
 *
 * A plug-in is a shared object that exports one function, nj_plugin_v1(), and nothing else.  It
 * includes the headers of this folder, links nothing of the server, and reaches the server only
 * through the `struct nj_host` it is given.  Everything here is plain C11 and usable from C++.
 *
 * Rules that hold for every struct that crosses the border, in either direction:
 *   - the first member is `size`, sizeof(the struct) as the side that owns it was compiled;
 *   - members are only ever added at the end; a reader asks NJ_FIELD() before it looks;
 *   - integers have fixed widths; there are no bit-fields, no bool, no long, no enum members;
 *   - arrays of such structs are arrays of pointers.
 * For a struct that carries a result, the caller sets `size` and the callee fills what fits.
 *
 * Majors of the ABI must be equal; minors may differ.  A minor grows with every slot or member that
 * is added; what 1.0 has stays as it is (a record of it is compared in continuous integration).
 */
#ifndef NATTERJACK_PLUGIN_H
#define NATTERJACK_PLUGIN_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#define NJ_PLUGIN_MAGIC UINT32_C(0x4e4a5047) /* "NJPG" */
#define NJ_ABI_MAJOR 1
#define NJ_ABI_MINOR 0
#define NJ_PLUGIN_DOOR "nj_plugin_v1"

#if defined(__GNUC__) || defined(__clang__)
#define NJ_EXPORT __attribute__((visibility("default")))
#define NJ_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define NJ_EXPORT
#define NJ_PRINTF(fmt, args)
#endif

/* Is `member` inside the struct as its owner compiled it?  `p` points to a struct with `size`. */
#ifdef __cplusplus
#define NJ_FIELD(type, p, member) ((p)->size >= offsetof(type, member) + sizeof((p)->member))
#else
#define NJ_FIELD(type, p, member)                                                                  \
    ((p)->size >= offsetof(type, member) + sizeof(((const type *) 0)->member))
#endif

/* Kinds of plug-in (struct nj_plugin.kind). */
#define NJ_PLUGIN_TLS UINT32_C(1)     /* iface: const struct nj_tls_provider *, tls.h */
#define NJ_PLUGIN_AUTHMAP UINT32_C(2) /* iface: const struct nj_authmap *, authmap.h */

/*
 * Results.  0 is success; positive is "not yet"; negative is failure.
 * The same numbers are used inside the server.
 */
enum nj_result {
    NJ_OK = 0,
    NJ_NEED_IN = 1,      /* all input was consumed and more is needed */
    NJ_WANT_READ = 2,    /* sockets only: wait until readable (never from a plug-in) */
    NJ_WANT_WRITE = 3,   /* sockets only: wait until writable (never from a plug-in) */
    NJ_E_FAILED = -1,    /* see struct nj_error */
    NJ_E_CLOSED = -2,    /* the peer ended the stream cleanly (close_notify, FIN) */
    NJ_E_TRUNCATED = -3, /* the transport ended without close_notify */
    NJ_E_ABI = -4,       /* sizes, magic, or versions do not fit */
    NJ_E_INVALID = -5,   /* an argument, option or file content is wrong */
    NJ_E_NOT_FOUND = -6,
    NJ_E_IO = -7,          /* the operating system refused; the text has its reason */
    NJ_E_LIMIT = -8,       /* a stated limit would be passed */
    NJ_E_UNSUPPORTED = -9, /* the library as loaded cannot do it */
    NJ_E_DENIED = -10      /* policy says no */
};

/*
 * What kind of failure it was: neutral, so that the server can log, count and answer without
 * knowing the library.  (struct nj_error.cls and the verify hook)
 */
enum nj_error_class {
    NJ_CLASS_NONE = 0,
    NJ_CLASS_INTERNAL = 1,   /* the library failed for a reason of its own */
    NJ_CLASS_NO_CERT = 2,    /* the peer was asked for a certificate and sent none */
    NJ_CLASS_UNKNOWN_CA = 3, /* no path to a trust anchor */
    NJ_CLASS_EXPIRED = 4,
    NJ_CLASS_NOT_YET = 5,
    NJ_CLASS_BAD_EKU = 6,  /* RFC 5280 4.2.1.12: usage does not fit */
    NJ_CLASS_BAD_NAME = 7, /* RFC 9525: no SAN matches */
    NJ_CLASS_NOT_CA = 8,   /* an issuer in the path is no CA */
    NJ_CLASS_BAD_CERT = 9, /* malformed, bad signature, weak or unsupported algorithm */
    NJ_CLASS_REVOKED = 10,
    NJ_CLASS_CRL_MISSING = 11,
    NJ_CLASS_CRL_EXPIRED = 12,
    NJ_CLASS_OCSP = 13,
    NJ_CLASS_KEY_MISMATCH = 14, /* certificate and private key do not belong together */
    NJ_CLASS_BAD_KEY = 15,      /* a key could not be read (encrypted, unknown format) */
    NJ_CLASS_NO_SUITE = 16,     /* no cipher suite in common */
    NJ_CLASS_NO_GROUP = 17,     /* no key exchange group in common */
    NJ_CLASS_VERSION = 18,      /* no protocol version in common */
    NJ_CLASS_NOT_TLS = 19,      /* the first bytes are no TLS record */
    NJ_CLASS_PEER_ALERT = 20,   /* the peer sent a fatal alert; `alert` has it */
    NJ_CLASS_BAD_RECORD = 21,   /* decryption or framing failed */
    NJ_CLASS_POLICY = 22,       /* the verify hook said no */
    NJ_CLASS_UNSUPPORTED = 23   /* asked for something the loaded library lacks */
};

#define NJ_ALERT_NONE INT32_C(-1)

/*
 * Words for a failure.  Filled exactly when a call fails; untouched on success.
 * `text` is one sentence without a final dot or newline, in the words of the reference server
 * where it has them ("tls: private key does not match public key").
 */
struct nj_error {
    uint32_t size;
    int32_t code;     /* enum nj_result, negative */
    uint32_t cls;     /* enum nj_error_class */
    int32_t alert;    /* TLS alert number sent or received, NJ_ALERT_NONE when none */
    int64_t lib_code; /* the library's own number, for reports; 0 when none */
    int32_t depth;    /* certificate in the chain it is about, leaf = 0; -1 when none */
    uint32_t reserved;
    char text[480];
};

#ifdef __cplusplus
#define NJ_ERROR_INIT                                                                              \
    {                                                                                              \
        sizeof(struct nj_error), 0, 0, NJ_ALERT_NONE, 0, -1, 0, {0}                                \
    }
#else
#define NJ_ERROR_INIT                                                                              \
    {                                                                                              \
        .size = sizeof(struct nj_error), .alert = NJ_ALERT_NONE, .depth = -1                       \
    }
#endif

/* Fill `err` (may be NULL) and return `code`, so that a failing function can `return nj_error_…`. */
static inline int nj_error_setv(struct nj_error *err, int code, uint32_t cls, const char *fmt,
                                va_list ap) NJ_PRINTF(4, 0);
static inline int nj_error_setv(struct nj_error *err, int code, uint32_t cls, const char *fmt,
                                va_list ap)
{
    if (err != NULL) {
        err->code = (int32_t) code;
        err->cls = cls;
        err->alert = NJ_ALERT_NONE;
        err->lib_code = 0;
        err->depth = -1;
        (void) vsnprintf(err->text, sizeof(err->text), fmt, ap);
    }
    return code;
}

static inline int nj_error_set_class(struct nj_error *err, int code, uint32_t cls, const char *fmt,
                                     ...) NJ_PRINTF(4, 5);
static inline int nj_error_set_class(struct nj_error *err, int code, uint32_t cls, const char *fmt,
                                     ...)
{
    va_list ap;
    va_start(ap, fmt);
    (void) nj_error_setv(err, code, cls, fmt, ap);
    va_end(ap);
    return code;
}

static inline int nj_error_set(struct nj_error *err, int code, const char *fmt, ...)
    NJ_PRINTF(3, 4);
static inline int nj_error_set(struct nj_error *err, int code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    (void) nj_error_setv(err, code, NJ_CLASS_NONE, fmt, ap);
    va_end(ap);
    return code;
}

/* Put context in front of the text that is already there: "server.pem: no certificate found". */
static inline void nj_error_prefix(struct nj_error *err, const char *prefix)
{
    if (err != NULL) {
        char old[sizeof(err->text)];
        memcpy(old, err->text, sizeof(old));
        old[sizeof(old) - 1] = '\0';
        int used = snprintf(err->text, sizeof(err->text), "%s: ", prefix);
        if (used > 0 && (size_t) used < sizeof(err->text)) {
            (void) snprintf(err->text + used, sizeof(err->text) - (size_t) used, "%.*s",
                            (int) (sizeof(err->text) - (size_t) used - 1), old);
        }
    }
}

/* Borrowed bytes.  Frozen: two members for ever. */
struct nj_span {
    const uint8_t *ptr;
    size_t len;
};

/* Log levels of nj_host.log. */
#define NJ_LOG_TRACE 0
#define NJ_LOG_DEBUG 1
#define NJ_LOG_INFO 2
#define NJ_LOG_WARN 3
#define NJ_LOG_ERROR 4

/*
 * What the server offers to a plug-in.  Valid from init() to the end of the process.
 * Every function may be called from any thread and never blocks on the network.
 */
struct nj_host {
    uint32_t size;
    uint32_t abi_major; /* the server's */
    uint32_t abi_minor;
    uint32_t reserved;
    const char *server_version; /* natterjack's own, "0.1.0" */

    /* One line, without a final newline.  The server adds time, level and the plug-in's name. */
    void (*log)(uint32_t level, const char *text);

    /* Memory.  alloc() returns zeroed memory and never NULL: lack of memory ends the process. */
    void *(*alloc)(size_t len);
    void *(*resize)(void *ptr, size_t old_len, size_t new_len);
    void (*dealloc)(void *ptr); /* NULL is fine */
    void (*wipe)(void *ptr, size_t len);

    /* Seconds since 1970, by the clock that certificates must be judged with. */
    int64_t (*now_s)(void);
};

/* The descriptor.  The first seven members are fixed for ever. */
struct nj_plugin {
    uint32_t magic; /* NJ_PLUGIN_MAGIC */
    uint32_t size;  /* sizeof(struct nj_plugin), as the plug-in was compiled */
    uint16_t abi_major;
    uint16_t abi_minor;
    uint32_t kind;       /* NJ_PLUGIN_* */
    const char *name;    /* [a-z0-9_-]+, the name used in the configuration */
    const char *version; /* the plug-in's own */
    const void *iface;   /* by kind; begins with its own size */
};

/*
 * The door.  Called once, on the main thread, before any other thread exists.  The descriptor and
 * all it points to are static and stay valid: a plug-in is never unloaded.
 */
typedef const struct nj_plugin *(*nj_plugin_door_fn)(void);
NJ_EXPORT const struct nj_plugin *nj_plugin_v1(void);

#ifdef __cplusplus
}
#endif
#endif

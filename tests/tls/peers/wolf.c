/*
 * wolf.c: a client made of wolfSSL that visits a NATS server whose TLS comes first.
 *
 *   wolf PORT VERSION SUITE CURVE NAME CA [CERT KEY]
 *
 * Prints "pong" when the server answered its PING, else one line that says why not.
 */
#include <wolfssl/options.h>
#include <wolfssl/ssl.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int fail(const char *what, WOLFSSL *ssl, int rc)
{
    char text[80] = "";
    (void) wolfSSL_ERR_error_string((unsigned long) wolfSSL_get_error(ssl, rc), text);
    (void) printf("%s: %s\n", what, text);
    return 1;
}

static int group_of(const char *curve)
{
    static const struct {
        const char *name;
        int group;
    } groups[] = { { "X25519", WOLFSSL_ECC_X25519 },
                   { "P-256", WOLFSSL_ECC_SECP256R1 },
                   { "P-384", WOLFSSL_ECC_SECP384R1 },
                   { "P-521", WOLFSSL_ECC_SECP521R1 } };
    for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
        if (strcmp(groups[i].name, curve) == 0) {
            return groups[i].group;
        }
    }
    return 0;
}

static int dial(int port)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t) port) };
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || connect(fd, (struct sockaddr *) &to, sizeof(to)) != 0) {
        perror("connect");
        exit(2);
    }
    return fd;
}

static WOLFSSL_CTX *context(char **argv, int argc)
{
    int is_13 = strcmp(argv[2], "1.3") == 0;
    WOLFSSL_CTX *ctx =
        wolfSSL_CTX_new(is_13 ? wolfTLSv1_3_client_method() : wolfTLSv1_2_client_method());
    int groups[1] = { group_of(argv[4]) };
    if (ctx == NULL || wolfSSL_CTX_set_cipher_list(ctx, argv[3]) != WOLFSSL_SUCCESS ||
        wolfSSL_CTX_load_verify_locations(ctx, argv[6], NULL) != WOLFSSL_SUCCESS ||
        wolfSSL_CTX_UseSupportedCurve(ctx, (word16) groups[0]) != WOLFSSL_SUCCESS ||
        (is_13 && wolfSSL_CTX_set_groups(ctx, groups, 1) != WOLFSSL_SUCCESS)) {
        (void) puts("cannot be set up");
        exit(2);
    }
    if (argc == 9 &&
        (wolfSSL_CTX_use_certificate_chain_file(ctx, argv[7]) != WOLFSSL_SUCCESS ||
         wolfSSL_CTX_use_PrivateKey_file(ctx, argv[8], WOLFSSL_FILETYPE_PEM) != WOLFSSL_SUCCESS)) {
        (void) puts("cannot take its certificate");
        exit(2);
    }
    return ctx;
}

int main(int argc, char **argv)
{
    char line[256];
    char got[8192];
    size_t n = 0;
    int rc;
    if (argc != 7 && argc != 9) {
        return 2;
    }
    (void) wolfSSL_Init();
    WOLFSSL *ssl = wolfSSL_new(context(argv, argc));
    (void) wolfSSL_set_fd(ssl, dial(atoi(argv[1])));
    rc = wolfSSL_connect(ssl);
    if (rc != WOLFSSL_SUCCESS) {
        return fail("connect", ssl, rc);
    }
    int len = snprintf(line, sizeof(line), "CONNECT {\"name\":\"%s\"}\r\nPING\r\n", argv[5]);
    rc = wolfSSL_write(ssl, line, len);
    while (rc > 0 && n < sizeof(got) - 1) {
        rc = wolfSSL_read(ssl, got + n, (int) (sizeof(got) - 1 - n));
        n += rc > 0 ? (size_t) rc : 0;
        got[n] = '\0';
        if (strstr(got, "PONG\r\n") != NULL) {
            (void) wolfSSL_shutdown(ssl);
            (void) puts("pong");
            return 0;
        }
    }
    return fail("read", ssl, rc);
}

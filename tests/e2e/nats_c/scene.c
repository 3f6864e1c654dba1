/*
 * scene.c: the NATS C client against a server: publish, subscribe, headers, request, no responders.
 *
 * scene URL                              in clear
 * scene URL CA CERT KEY HOST             over TLS, with a client certificate, server name HOST
 *
 * Exit status 0 when all of it went well; else the failed step is named on stderr.
 */
#include <nats/nats.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { MESSAGES = 2000, WAIT_MS = 10000, BIG = 200000 };

static bool went_well(const char *step, natsStatus s)
{
    if (s != NATS_OK) {
        fprintf(stderr, "%s: %s (%s)\n", step, natsStatus_GetText(s), nats_GetLastError(NULL));
        return false;
    }
    return true;
}

static bool is(const char *step, bool fact)
{
    if (!fact) {
        fprintf(stderr, "%s: not as it should be\n", step);
    }
    return fact;
}

static natsStatus set_tls(natsOptions *opts, char **argv)
{
    natsStatus s = natsOptions_SetSecure(opts, true);
    if (s == NATS_OK) {
        s = natsOptions_LoadCATrustedCertificates(opts, argv[2]);
    }
    if (s == NATS_OK) {
        s = natsOptions_LoadCertificatesChain(opts, argv[3], argv[4]);
    }
    if (s == NATS_OK) {
        s = natsOptions_SetExpectedHostname(opts, argv[5]);
    }
    return s;
}

static natsStatus dial(int argc, char **argv, natsConnection **nc_out)
{
    natsOptions *opts = NULL;
    natsStatus s = natsOptions_Create(&opts);
    if (s == NATS_OK) {
        s = natsOptions_SetURL(opts, argv[1]);
    }
    if (s == NATS_OK) {
        s = natsOptions_SetAllowReconnect(opts, false);
    }
    if (s == NATS_OK && argc == 6) {
        s = set_tls(opts, argv);
    }
    if (s == NATS_OK) {
        s = natsConnection_Connect(nc_out, opts);
    }
    natsOptions_Destroy(opts);
    return s;
}

/* What one connection publishes the other one gets, all of it and in order. */
static bool pub_sub(natsConnection *a, natsConnection *b)
{
    natsSubscription *sub = NULL;
    bool ok = went_well("subscribe", natsConnection_SubscribeSync(&sub, a, "c.*")) &&
              went_well("flush", natsConnection_FlushTimeout(a, WAIT_MS));
    for (int i = 0; ok && i < MESSAGES; i++) {
        char body[16];
        snprintf(body, sizeof(body), "%d", i);
        ok = went_well("publish", natsConnection_PublishString(b, "c.x", body));
    }
    ok = ok && went_well("flush", natsConnection_FlushTimeout(b, WAIT_MS));
    for (int i = 0; ok && i < MESSAGES; i++) {
        natsMsg *m = NULL;
        char want[16];
        snprintf(want, sizeof(want), "%d", i);
        ok = went_well("next message", natsSubscription_NextMsg(&m, sub, WAIT_MS)) &&
             is("order", strcmp(natsMsg_GetData(m), want) == 0);
        natsMsg_Destroy(m);
    }
    natsSubscription_Destroy(sub);
    return ok;
}

static bool headers(natsConnection *a, natsConnection *b)
{
    natsSubscription *sub = NULL;
    natsMsg *m = NULL;
    natsMsg *got = NULL;
    const char *value = NULL;
    bool ok = went_well("subscribe", natsConnection_SubscribeSync(&sub, a, "h")) &&
              went_well("flush", natsConnection_FlushTimeout(a, WAIT_MS)) &&
              went_well("create", natsMsg_Create(&m, "h", NULL, "body", 4)) &&
              went_well("set header", natsMsgHeader_Set(m, "Color", "green")) &&
              went_well("publish", natsConnection_PublishMsg(b, m)) &&
              went_well("flush", natsConnection_FlushTimeout(b, WAIT_MS)) &&
              went_well("next message", natsSubscription_NextMsg(&got, sub, WAIT_MS)) &&
              went_well("get header", natsMsgHeader_Get(got, "Color", &value)) &&
              is("header", strcmp(value, "green") == 0) &&
              is("length", natsMsg_GetDataLength(got) == 4);
    natsMsg_Destroy(got);
    natsMsg_Destroy(m);
    natsSubscription_Destroy(sub);
    return ok;
}

static void answer(natsConnection *nc, natsSubscription *sub, natsMsg *m, void *closure)
{
    (void) sub;
    (void) closure;
    natsConnection_Publish(nc, natsMsg_GetReply(m), natsMsg_GetData(m), natsMsg_GetDataLength(m));
    natsMsg_Destroy(m);
}

static bool request(natsConnection *a, natsConnection *b)
{
    static char big[BIG];
    natsSubscription *sub = NULL;
    memset(big, 'b', sizeof(big));
    bool ok =
        went_well("subscribe", natsConnection_QueueSubscribe(&sub, a, "ask", "q", answer, NULL)) &&
        went_well("flush", natsConnection_FlushTimeout(a, WAIT_MS));
    for (int i = 0; ok && i < 50; i++) {
        natsMsg *m = NULL;
        int len = i * BIG / 50;
        ok = went_well("request", natsConnection_Request(&m, b, "ask", big, len, WAIT_MS)) &&
             is("echo", natsMsg_GetDataLength(m) == len);
        natsMsg_Destroy(m);
    }
    natsSubscription_Destroy(sub);
    return ok;
}

static bool nobody(natsConnection *b)
{
    natsMsg *m = NULL;
    natsStatus s = natsConnection_RequestString(&m, b, "nobody.there", "", WAIT_MS);
    natsMsg_Destroy(m);
    return is("no responders", s == NATS_NO_RESPONDERS);
}

int main(int argc, char **argv)
{
    natsConnection *a = NULL;
    natsConnection *b = NULL;
    if (argc != 2 && argc != 6) {
        fprintf(stderr, "usage: scene URL [CA CERT KEY HOST]\n");
        return 2;
    }
    bool ok = went_well("connect", dial(argc, argv, &a)) &&
              went_well("connect", dial(argc, argv, &b)) && pub_sub(a, b) && headers(a, b) &&
              request(a, b) && nobody(b);
    natsConnection_Destroy(a);
    natsConnection_Destroy(b);
    nats_Close();
    return ok ? 0 : 1;
}

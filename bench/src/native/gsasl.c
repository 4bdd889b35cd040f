/* GNU SASL, client and server in one process. See common.h for the protocol on standard input.
 *
 *   scram-full     client derives from the password, server holds stored keys
 *   scram-cached   client holds the salted password, server holds stored keys
 *   scram-server   the server's two steps alone, clients untimed
 *   plain          both ends
 *   cram-md5, digest-md5   both ends, the server has the password
 *   scram-memory   bytes of COUNT half-open server sessions
 */
#include <gsasl.h>

#include "common.h"

static Gsasl *ctx;
static int cached;

static int callback(Gsasl *g, Gsasl_session *s, Gsasl_property property) {
  (void)g;
  switch (property) {
    case GSASL_AUTHID:
      return gsasl_property_set(s, property, env("BENCH_USER"));
    case GSASL_SERVICE:
      return gsasl_property_set(s, property, "imap");
    case GSASL_HOSTNAME:
    case GSASL_REALM:
      return gsasl_property_set(s, property, "localhost");
    case GSASL_PASSWORD:
      return gsasl_property_set(s, property, env("BENCH_PASSWORD"));
    case GSASL_SCRAM_SALTED_PASSWORD:
      return cached ? gsasl_property_set(s, property, env("BENCH_SALTED")) : GSASL_NO_CALLBACK;
    case GSASL_SCRAM_ITER:
      return gsasl_property_set(s, property, env("BENCH_ITERATIONS"));
    case GSASL_SCRAM_SALT:
      return gsasl_property_set(s, property, env("BENCH_SALT"));
    case GSASL_SCRAM_STOREDKEY:
      return gsasl_property_set(s, property, env("BENCH_STORED"));
    case GSASL_SCRAM_SERVERKEY:
      return gsasl_property_set(s, property, env("BENCH_SERVER"));
    case GSASL_VALIDATE_SIMPLE: {
      const char *user = gsasl_property_fast(s, GSASL_AUTHID), *pass = gsasl_property_fast(s, GSASL_PASSWORD);
      return user && pass && strcmp(user, env("BENCH_USER")) == 0 && strcmp(pass, env("BENCH_PASSWORD")) == 0
                 ? GSASL_OK
                 : GSASL_AUTHENTICATION_ERROR;
    }
    default:
      return GSASL_NO_CALLBACK;
  }
}

/* One exchange until both sides are done. */
static const char *exchange(const char *mechanism) {
  Gsasl_session *client = NULL, *server = NULL;
  char *toServer = NULL, *toClient = NULL;
  size_t toServerLen = 0, toClientLen = 0;
  int rc, rs = GSASL_NEEDS_MORE;
  if (gsasl_client_start(ctx, mechanism, &client) != GSASL_OK) return "gsasl_client_start";
  if (gsasl_server_start(ctx, mechanism, &server) != GSASL_OK) return "gsasl_server_start";
  const char *error = NULL;
  do {
    rc = gsasl_step(client, toClient, toClientLen, &toServer, &toServerLen);
    gsasl_free(toClient);
    toClient = NULL;
    if (rc != GSASL_OK && rc != GSASL_NEEDS_MORE) error = gsasl_strerror(rc);
    if (error == NULL && rs == GSASL_NEEDS_MORE) {
      rs = gsasl_step(server, toServer, toServerLen, &toClient, &toClientLen);
      if (rs != GSASL_OK && rs != GSASL_NEEDS_MORE) error = gsasl_strerror(rs);
    }
    gsasl_free(toServer);
    toServer = NULL;
  } while (error == NULL && (rc == GSASL_NEEDS_MORE || rs == GSASL_NEEDS_MORE));
  gsasl_free(toClient);
  gsasl_finish(client);
  gsasl_finish(server);
  return error;
}

static const char *repeat(const char *mechanism, int count, struct watch *w) {
  const char *error = NULL;
  watch_start(w);
  for (int i = 0; i < count && error == NULL; i++) error = exchange(mechanism);
  watch_stop(w);
  return error;
}

static const char *scram_full(int count, struct watch *w) {
  cached = 0;
  return repeat("SCRAM-SHA-256", count, w);
}
static const char *scram_cached(int count, struct watch *w) {
  cached = 1;
  return repeat("SCRAM-SHA-256", count, w);
}
static const char *plain(int count, struct watch *w) { return repeat("PLAIN", count, w); }
static const char *cram_md5(int count, struct watch *w) { return repeat("CRAM-MD5", count, w); }
static const char *digest_md5(int count, struct watch *w) { return repeat("DIGEST-MD5", count, w); }

struct pair {
  Gsasl_session *client, *server;
  char *message;
  size_t length;
};

/* Brings COUNT pairs to where the server waits for the client's first message (untimed). */
static const char *open_clients(struct pair *pairs, int count) {
  cached = 1;
  for (int i = 0; i < count; i++) {
    if (gsasl_client_start(ctx, "SCRAM-SHA-256", &pairs[i].client) != GSASL_OK) return "gsasl_client_start";
    if (gsasl_step(pairs[i].client, NULL, 0, &pairs[i].message, &pairs[i].length) != GSASL_NEEDS_MORE)
      return "client first";
  }
  return NULL;
}

static const char *server_first(struct pair *pair) {
  char *reply = NULL;
  size_t length = 0;
  if (gsasl_server_start(ctx, "SCRAM-SHA-256", &pair->server) != GSASL_OK) return "gsasl_server_start";
  if (gsasl_step(pair->server, pair->message, pair->length, &reply, &length) != GSASL_NEEDS_MORE) return "server first";
  gsasl_free(pair->message);
  pair->message = reply;
  pair->length = length;
  return NULL;
}

static const char *scram_server(int count, struct watch *w) {
  struct pair *pairs = calloc((size_t)count, sizeof *pairs);
  const char *error = open_clients(pairs, count);
  watch_start(w);
  for (int i = 0; i < count && error == NULL; i++) error = server_first(&pairs[i]);
  watch_stop(w);
  for (int i = 0; i < count && error == NULL; i++) {
    char *reply = NULL;
    if (gsasl_step(pairs[i].client, pairs[i].message, pairs[i].length, &reply, &pairs[i].length) != GSASL_NEEDS_MORE)
      error = "client final";
    gsasl_free(pairs[i].message);
    pairs[i].message = reply;
  }
  watch_start(w);
  for (int i = 0; i < count && error == NULL; i++) {
    char *reply = NULL;
    size_t length = 0;
    if (gsasl_step(pairs[i].server, pairs[i].message, pairs[i].length, &reply, &length) != GSASL_OK)
      error = "server final";
    gsasl_free(reply);
    gsasl_finish(pairs[i].server);
  }
  watch_stop(w);
  for (int i = 0; i < count; i++) {
    gsasl_free(pairs[i].message);
    gsasl_finish(pairs[i].client);
  }
  free(pairs);
  return error;
}

static const char *scram_memory(int count, struct watch *w) {
  struct pair *pairs = calloc((size_t)count, sizeof *pairs);
  const char *error = open_clients(pairs, count);
  /* Replies are as long as requests here or longer; they are the wire's, not the session's, so free them. */
  int64_t before = heap_bytes(), held = 0;
  for (int i = 0; i < count && error == NULL; i++) {
    held -= (int64_t)malloc_usable_size(pairs[i].message) + 8;
    error = server_first(&pairs[i]);
    if (error == NULL) held += (int64_t)malloc_usable_size(pairs[i].message) + 8;
  }
  w->cpu = heap_bytes() - before - held;
  for (int i = 0; i < count; i++) {
    gsasl_free(pairs[i].message);
    gsasl_finish(pairs[i].client);
    gsasl_finish(pairs[i].server);
  }
  free(pairs);
  return error;
}

int main(void) {
  static const struct scenario scenarios[] = {{"scram-full", scram_full},     {"scram-cached", scram_cached},
                                              {"scram-server", scram_server}, {"plain", plain},
                                              {"scram-memory", scram_memory}, {"cram-md5", cram_md5},
                                              {"digest-md5", digest_md5},     {NULL, NULL}};
  if (gsasl_init(&ctx) != GSASL_OK) return 1;
  gsasl_callback_set(ctx, callback);
  printf("gsasl %s\n", gsasl_check_version(NULL));
  fflush(stdout);
  return command_loop(scenarios);
}

/* Cyrus SASL, client and server in one process. See common.h for the protocol on standard input.
 *
 *   scram-full     client derives from the password, server holds stored keys (authPassword)
 *   scram-server   the server's two steps alone, clients untimed
 *   plain          both ends
 *   cram-md5, digest-md5   both ends, the server has the password
 *   scram-memory   bytes of COUNT half-open server connections
 *
 * The library's client keeps no derived keys, so there is no scram-cached.
 */
#include <sasl/sasl.h>
#include <sasl/saslplug.h>

#include "common.h"

static char auth_password[512];
static sasl_secret_t *secret;

/* An auxiliary property plug-in of our own: answers the one account from memory. */
static int lookup(void *glob, sasl_server_params_t *params, unsigned flags, const char *user, unsigned length) {
  (void)glob, (void)flags;
  if (length < strlen(env("BENCH_USER")) || strncmp(user, env("BENCH_USER"), strlen(env("BENCH_USER"))) != 0)
    return SASL_NOUSER;
  for (const struct propval *p = params->utils->prop_get(params->propctx); p && p->name; p++) {
    const char *name = p->name[0] == '*' ? p->name + 1 : p->name;
    if (p->values != NULL) continue;
    if (strcmp(name, "authPassword") == 0) params->utils->prop_set(params->propctx, p->name, auth_password, -1);
    /* Given only to PLAIN: with the clear password at hand the library would derive again. */
    if (strcmp(name, "userPassword") == 0 && getenv("BENCH_CLEAR") != NULL)
      params->utils->prop_set(params->propctx, p->name, env("BENCH_PASSWORD"), -1);
  }
  return SASL_OK;
}
static sasl_auxprop_plug_t auxprop = {0, 0, NULL, NULL, lookup, "bench", NULL};
static int auxprop_init(const sasl_utils_t *u, int max, int *out, sasl_auxprop_plug_t **plug, const char *name) {
  (void)u, (void)max, (void)name;
  *out = SASL_AUXPROP_PLUG_VERSION;
  *plug = &auxprop;
  return SASL_OK;
}

static int getopt_cb(void *c, const char *plugin, const char *option, const char **result, unsigned *length) {
  (void)c, (void)plugin;
  const char *value = NULL;
  if (strcmp(option, "auxprop_plugin") == 0) value = "bench";
  if (strcmp(option, "pwcheck_method") == 0) value = "auxprop";
  if (strcmp(option, "mech_list") == 0) value = "SCRAM-SHA-256 PLAIN CRAM-MD5 DIGEST-MD5";
  if (strcmp(option, "log_level") == 0) value = "0";
  if (value == NULL) return SASL_FAIL;
  *result = value;
  if (length != NULL) *length = (unsigned)strlen(value);
  return SASL_OK;
}
static int log_cb(void *c, int level, const char *message) {
  (void)c, (void)level, (void)message;
  return SASL_OK;
}
static int user_cb(void *c, int id, const char **result, unsigned *length) {
  (void)c;
  *result = id == SASL_CB_USER ? "" : env("BENCH_USER");
  if (length != NULL) *length = (unsigned)strlen(*result);
  return SASL_OK;
}
static int pass_cb(sasl_conn_t *conn, void *c, int id, sasl_secret_t **out) {
  (void)conn, (void)c, (void)id;
  *out = secret;
  return SASL_OK;
}
typedef int (*generic)(void);
static sasl_callback_t callbacks[] = {{SASL_CB_GETOPT, (generic)getopt_cb, NULL}, {SASL_CB_LOG, (generic)log_cb, NULL},
                                      {SASL_CB_USER, (generic)user_cb, NULL},     {SASL_CB_AUTHNAME, (generic)user_cb, NULL},
                                      {SASL_CB_PASS, (generic)pass_cb, NULL},     {SASL_CB_LIST_END, NULL, NULL}};

struct pair {
  sasl_conn_t *client, *server;
  const char *message;
  unsigned length;
};

static const char *client_first(struct pair *p, const char *mechanism) {
  const char *chosen;
  if (sasl_client_new("imap", "localhost", NULL, NULL, NULL, SASL_SUCCESS_DATA, &p->client) != SASL_OK) return "client_new";
  int r = sasl_client_start(p->client, mechanism, NULL, &p->message, &p->length, &chosen);
  return r == SASL_OK || r == SASL_CONTINUE ? NULL : sasl_errstring(r, NULL, NULL);
}
static const char *server_first(struct pair *p, const char *mechanism, int *r) {
  if (sasl_server_new("imap", "localhost", "localhost", NULL, NULL, NULL, SASL_SUCCESS_DATA, &p->server) != SASL_OK)
    return "server_new";
  *r = sasl_server_start(p->server, mechanism, p->message, p->length, &p->message, &p->length);
  return *r == SASL_OK || *r == SASL_CONTINUE ? NULL : sasl_errdetail(p->server);
}
static const char *client_next(struct pair *p) {
  int r = sasl_client_step(p->client, p->message, p->length, NULL, &p->message, &p->length);
  return r == SASL_OK || r == SASL_CONTINUE ? NULL : sasl_errstring(r, NULL, NULL);
}
static const char *server_next(struct pair *p, int *r) {
  *r = sasl_server_step(p->server, p->message, p->length, &p->message, &p->length);
  return *r == SASL_OK || *r == SASL_CONTINUE ? NULL : sasl_errdetail(p->server);
}
static void dispose(struct pair *p) {
  sasl_dispose(&p->client);
  sasl_dispose(&p->server);
}

static const char *exchange(const char *mechanism) {
  struct pair p = {NULL, NULL, NULL, 0};
  int r = SASL_CONTINUE;
  const char *error = client_first(&p, mechanism);
  if (error == NULL) error = server_first(&p, mechanism, &r);
  while (error == NULL && r == SASL_CONTINUE) {
    error = client_next(&p);
    if (error == NULL) error = server_next(&p, &r);
  }
  /* The server's last message travels with the success: the client has to see it. */
  if (error == NULL && p.message != NULL && p.length > 0) error = client_next(&p);
  dispose(&p);
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
  unsetenv("BENCH_CLEAR");
  return repeat("SCRAM-SHA-256", count, w);
}
static const char *plain(int count, struct watch *w) {
  setenv("BENCH_CLEAR", "1", 1);
  return repeat("PLAIN", count, w);
}
static const char *cram_md5(int count, struct watch *w) {
  setenv("BENCH_CLEAR", "1", 1);
  return repeat("CRAM-MD5", count, w);
}
static const char *digest_md5(int count, struct watch *w) {
  setenv("BENCH_CLEAR", "1", 1);
  return repeat("DIGEST-MD5", count, w);
}
static const char *scram_server(int count, struct watch *w) {
  struct pair *pairs = calloc((size_t)count, sizeof *pairs);
  const char *error = NULL;
  int r;
  unsetenv("BENCH_CLEAR");
  for (int i = 0; i < count && error == NULL; i++) error = client_first(&pairs[i], "SCRAM-SHA-256");
  watch_start(w);
  for (int i = 0; i < count && error == NULL; i++) error = server_first(&pairs[i], "SCRAM-SHA-256", &r);
  watch_stop(w);
  for (int i = 0; i < count && error == NULL; i++) error = client_next(&pairs[i]);
  watch_start(w);
  for (int i = 0; i < count && error == NULL; i++) {
    error = server_next(&pairs[i], &r);
    sasl_dispose(&pairs[i].server);
  }
  watch_stop(w);
  for (int i = 0; i < count; i++) dispose(&pairs[i]);
  free(pairs);
  return error;
}
static const char *scram_memory(int count, struct watch *w) {
  struct pair *pairs = calloc((size_t)count, sizeof *pairs);
  const char *error = NULL;
  int r;
  unsetenv("BENCH_CLEAR");
  for (int i = 0; i < count && error == NULL; i++) error = client_first(&pairs[i], "SCRAM-SHA-256");
  int64_t before = heap_bytes();
  for (int i = 0; i < count && error == NULL; i++) error = server_first(&pairs[i], "SCRAM-SHA-256", &r);
  w->cpu = heap_bytes() - before;
  for (int i = 0; i < count; i++) dispose(&pairs[i]);
  free(pairs);
  return error;
}

int main(void) {
  static const struct scenario scenarios[] = {{"scram-full", scram_full}, {"scram-server", scram_server},
                                              {"plain", plain},           {"scram-memory", scram_memory},
                                              {"cram-md5", cram_md5},     {"digest-md5", digest_md5},
                                              {NULL, NULL}};
  const char *password = env("BENCH_PASSWORD");
  secret = malloc(sizeof *secret + strlen(password) + 1);
  secret->len = strlen(password);
  strcpy((char *)secret->data, password);
  snprintf(auth_password, sizeof auth_password, "SCRAM-SHA-256$%s:%s$%s:%s", env("BENCH_ITERATIONS"), env("BENCH_SALT"),
           env("BENCH_STORED"), env("BENCH_SERVER"));
  sasl_auxprop_add_plugin("bench", auxprop_init);
  if (sasl_client_init(callbacks) != SASL_OK || sasl_server_init(callbacks, "bench") != SASL_OK) return 1;
  int v;
  const char *implementation, *text;
  sasl_version_info(&implementation, &text, &v, NULL, NULL, NULL);
  printf("cyrus %s\n", text);
  fflush(stdout);
  return command_loop(scenarios);
}

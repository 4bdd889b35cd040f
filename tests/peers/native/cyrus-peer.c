/* One end of one exchange by Cyrus SASL, driven line by line, with the security layer that it agreed on.
 *
 *   cyrus-peer client|server MECHANISM MIN_SSF MAX_SSF MAXBUF
 *
 * Texts are hexadecimal, an empty one a dash. Standard input: "message TEXT" (the peer's; "start" where it has none yet),
 * "encode TEXT", "decode TEXT". Answers: "message TEXT", "done SSF TEXT" with the last message or a dash, "text TEXT",
 * "error WORDS", after which the program ends. User alice, password "correct horse battery staple", service imap,
 * host and realm localhost.
 */
#include <sasl/sasl.h>
#include <sasl/saslplug.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const user = "alice", *const password = "correct horse battery staple";
static sasl_secret_t *secret;
static sasl_conn_t *conn;

static int lookup(void *glob, sasl_server_params_t *params, unsigned flags, const char *name, unsigned length) {
  (void)glob, (void)flags;
  if (length < strlen(user) || strncmp(name, user, strlen(user)) != 0) return SASL_NOUSER;
  for (const struct propval *p = params->utils->prop_get(params->propctx); p && p->name; p++)
    if (p->values == NULL && strcmp(p->name[0] == '*' ? p->name + 1 : p->name, "userPassword") == 0)
      params->utils->prop_set(params->propctx, p->name, password, -1);
  return SASL_OK;
}
static sasl_auxprop_plug_t auxprop = {0, 0, NULL, NULL, lookup, "peer", NULL};
static int auxprop_init(const sasl_utils_t *u, int max, int *out, sasl_auxprop_plug_t **plug, const char *name) {
  (void)u, (void)max, (void)name;
  *out = SASL_AUXPROP_PLUG_VERSION;
  *plug = &auxprop;
  return SASL_OK;
}

static int getopt_cb(void *c, const char *plugin, const char *option, const char **result, unsigned *length) {
  (void)c, (void)plugin;
  if (strcmp(option, "auxprop_plugin") != 0) return SASL_FAIL;
  *result = "peer";
  if (length != NULL) *length = 4;
  return SASL_OK;
}
static int log_cb(void *c, int level, const char *message) {
  (void)c;
  if (level <= SASL_LOG_WARN) fprintf(stderr, "%s\n", message);
  return SASL_OK;
}
static int user_cb(void *c, int id, const char **result, unsigned *length) {
  (void)c;
  *result = id == SASL_CB_USER ? "" : user;
  if (length != NULL) *length = (unsigned)strlen(*result);
  return SASL_OK;
}
static int pass_cb(sasl_conn_t *of, void *c, int id, sasl_secret_t **out) {
  (void)of, (void)c, (void)id;
  *out = secret;
  return SASL_OK;
}
typedef int (*generic)(void);
static sasl_callback_t callbacks[] = {{SASL_CB_GETOPT, (generic)getopt_cb, NULL}, {SASL_CB_LOG, (generic)log_cb, NULL},
                                      {SASL_CB_USER, (generic)user_cb, NULL},     {SASL_CB_AUTHNAME, (generic)user_cb, NULL},
                                      {SASL_CB_PASS, (generic)pass_cb, NULL},     {SASL_CB_LIST_END, NULL, NULL}};

static void say(const char *word, const char *text, unsigned length) {
  printf("%s ", word);
  if (length == 0) putchar('-');
  for (unsigned i = 0; i < length; i++) printf("%02x", (unsigned char)text[i]);
  putchar('\n');
  fflush(stdout);
}
static int fail(const char *words) {
  printf("error %s\n", words);
  fflush(stdout);
  return 1;
}

static char line[400000], text[200000];
static unsigned text_length;
static int read_text(const char *hex) {
  unsigned octet;
  text_length = 0;
  if (hex[0] == '-') return 1;
  for (; hex[0] && hex[0] != '\n'; hex += 2) {
    if (sscanf(hex, "%2x", &octet) != 1) return 0;
    text[text_length++] = (char)octet;
  }
  return 1;
}

int main(int argc, char **argv) {
  if (argc != 6) return 64;
  int client = strcmp(argv[1], "client") == 0, begun = 0, done = 0, r;
  const char *mechanism = argv[2], *out = NULL, *chosen;
  unsigned length = 0;
  secret = malloc(sizeof *secret + strlen(password) + 1);
  secret->len = strlen(password);
  strcpy((char *)secret->data, password);
  sasl_auxprop_add_plugin("peer", auxprop_init);
  r = client ? sasl_client_init(callbacks) : sasl_server_init(callbacks, "peer");
  if (r != SASL_OK) return fail("init");
  r = client ? sasl_client_new("imap", "localhost", NULL, NULL, callbacks, SASL_SUCCESS_DATA, &conn)
             : sasl_server_new("imap", "localhost", "localhost", NULL, NULL, callbacks, SASL_SUCCESS_DATA, &conn);
  if (r != SASL_OK) return fail("new");
  sasl_security_properties_t wanted = {(unsigned)atoi(argv[3]), (unsigned)atoi(argv[4]), (unsigned)atoi(argv[5]), 0, NULL, NULL};
  sasl_setprop(conn, SASL_SEC_PROPS, &wanted);

  while (fgets(line, sizeof line, stdin) != NULL) {
    if (strncmp(line, "encode ", 7) == 0 || strncmp(line, "decode ", 7) == 0) {
      if (!done || !read_text(line + 7)) return fail("out of order");
      r = line[0] == 'e' ? sasl_encode(conn, text, text_length, &out, &length)
                         : sasl_decode(conn, text, text_length, &out, &length);
      if (r != SASL_OK) return fail(sasl_errdetail(conn));
      say("text", out, length);
      continue;
    }
    int start = strncmp(line, "start", 5) == 0;
    if (done || start == begun || (!start && (strncmp(line, "message ", 8) != 0 || !read_text(line + 8))))
      return fail("out of order");
    begun = 1;
    out = NULL;
    length = 0;
    if (client)
      r = start ? sasl_client_start(conn, mechanism, NULL, &out, &length, &chosen)
                : sasl_client_step(conn, text, text_length, NULL, &out, &length);
    else
      r = start ? sasl_server_start(conn, mechanism, NULL, 0, &out, &length)
                : sasl_server_step(conn, text, text_length, &out, &length);
    if (r != SASL_OK && r != SASL_CONTINUE) return fail(sasl_errdetail(conn));
    done = r == SASL_OK;
    if (done) {
      const void *ssf;
      if (sasl_getprop(conn, SASL_SSF, &ssf) != SASL_OK) return fail("ssf");
      printf("done %u ", *(const sasl_ssf_t *)ssf);
      say("", out, length); /* a space more, which nobody minds */
    } else
      say("message", out, length);
  }
  return 0;
}

/*
 * One exchange of libsasl2 over standard input and output, and its security layer behind it.
 *
 * sasl-exchange client|server MECHANISM MIN-SSF MAX-SSF [NAME PASSWORD]
 *
 * Each line that is read is a letter, a space and base64; each is answered by one line of the same form. `m` is what the
 * other side said. The answers are `C` for a challenge or response, `S` for success with its data, `X` for a failure, with
 * its reason as text. After a success `e` asks to encode, `d` to decode, and `O` has the result.
 */
#include <sasl/sasl.h>
#include <sasl/saslutil.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static sasl_conn_t *conn;
static const char *name, *password;
static char line[300000], octets[200000], text[300000];

static void say(char kind, const char *data, unsigned length) {
  unsigned written;
  if (sasl_encode64(data ? data : "", data ? length : 0, text, sizeof text, &written) != SASL_OK) exit(3);
  printf("%c %s\n", kind, text);
  fflush(stdout);
}

static unsigned hear(char *kind) {
  unsigned length = 0;
  if (!fgets(line, sizeof line, stdin) || strlen(line) < 2) exit(0);
  line[strcspn(line, "\n")] = 0;
  *kind = line[0];
  if (sasl_decode64(line + 2, strlen(line + 2), octets, sizeof octets, &length) != SASL_OK) exit(4);
  return length;
}

static void fail(void) {
  printf("X %s\n", sasl_errdetail(conn));
  fflush(stdout);
}

static int give_name(void *context, int id, const char **result, unsigned *length) {
  (void)context, (void)id;
  *result = name;
  if (length) *length = strlen(name);
  return SASL_OK;
}

static int give_password(sasl_conn_t *connection, void *context, int id, sasl_secret_t **secret) {
  (void)connection, (void)context, (void)id;
  static sasl_secret_t *held;
  held = calloc(1, sizeof *held + strlen(password) + 1);
  held->len = strlen(password);
  memcpy(held->data, password, held->len);
  *secret = held;
  return SASL_OK;
}

int main(int argc, char **argv) {
  if (argc < 5) return 64;
  int client = strcmp(argv[1], "client") == 0, result;
  const char *out = NULL, *chosen;
  unsigned length = 0;
  char kind;
  sasl_callback_t callbacks[] = {
    { SASL_CB_USER, (int (*)(void))give_name, NULL },
    { SASL_CB_AUTHNAME, (int (*)(void))give_name, NULL },
    { SASL_CB_PASS, (int (*)(void))give_password, NULL },
    { SASL_CB_LIST_END, NULL, NULL },
  };
  sasl_security_properties_t wanted = { 0 };
  wanted.min_ssf = atoi(argv[3]);
  wanted.max_ssf = atoi(argv[4]);
  wanted.maxbufsize = 8192;
  name = argc > 5 ? argv[5] : "";
  password = argc > 6 ? argv[6] : "";

  if (client) {
    sasl_client_init(callbacks);
    sasl_client_new("sample", "localhost", NULL, NULL, callbacks, SASL_SUCCESS_DATA, &conn);
    sasl_setprop(conn, SASL_SEC_PROPS, &wanted);
    result = sasl_client_start(conn, argv[2], NULL, &out, &length, &chosen);
  } else {
    sasl_server_init(NULL, "sample");
    sasl_server_new("sample", "localhost", "localhost", NULL, NULL, NULL, SASL_SUCCESS_DATA, &conn);
    sasl_setprop(conn, SASL_SEC_PROPS, &wanted);
    length = hear(&kind);
    result = sasl_server_start(conn, argv[2], octets, length, &out, &length);
  }
  while (result == SASL_CONTINUE) {
    say('C', out, length);
    length = hear(&kind);
    result = client ? sasl_client_step(conn, octets, length, NULL, &out, &length)
                    : sasl_server_step(conn, octets, length, &out, &length);
  }
  if (result != SASL_OK) {
    fail();
    return 1;
  }
  say('S', out, length);
  for (;;) {
    length = hear(&kind);
    result = kind == 'e' ? sasl_encode(conn, octets, length, &out, &length)
                         : sasl_decode(conn, octets, length, &out, &length);
    if (result == SASL_OK) say('O', out, length);
    else fail();
  }
}

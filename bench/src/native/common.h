/* What both C programs share: the account, the clocks and the command loop.
 *
 * A program reads lines "SCENARIO COUNT" from standard input, does COUNT exchanges and answers
 * "CPU_NS WALL_NS" (totals) or, for memory scenarios, "BYTES 0". It answers "error TEXT" and lives on.
 * The account comes from the environment: BENCH_USER, BENCH_PASSWORD, BENCH_SALT, BENCH_ITERATIONS,
 * BENCH_SALTED (hex), BENCH_STORED, BENCH_SERVER (base64), all for SCRAM-SHA-256.
 */
#ifndef BENCH_COMMON_H
#define BENCH_COMMON_H
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *env(const char *name) {
  const char *value = getenv(name);
  if (value == NULL) {
    fprintf(stderr, "%s is not set\n", name);
    exit(64);
  }
  return value;
}

static int64_t clock_ns(clockid_t id) {
  struct timespec t;
  clock_gettime(id, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* A stop watch that only runs between start and stop, so that the untimed half of a batch stays out. */
struct watch {
  int64_t cpu, wall, cpu0, wall0;
};
static void watch_start(struct watch *w) {
  w->wall0 = clock_ns(CLOCK_MONOTONIC);
  w->cpu0 = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}
static void watch_stop(struct watch *w) {
  w->cpu += clock_ns(CLOCK_PROCESS_CPUTIME_ID) - w->cpu0;
  w->wall += clock_ns(CLOCK_MONOTONIC) - w->wall0;
}

/* Returns NULL or the text of an error. */
typedef const char *scenario_fn(int count, struct watch *w);
struct scenario {
  const char *name;
  scenario_fn *run;
};

static int command_loop(const struct scenario *scenarios) {
  char line[128], name[64];
  int count;
  while (fgets(line, sizeof line, stdin) != NULL) {
    const char *error = "unknown scenario";
    struct watch w = {0, 0, 0, 0};
    if (sscanf(line, "%63s %d", name, &count) != 2 || count < 1) {
      error = "expected: SCENARIO COUNT";
    } else {
      for (const struct scenario *s = scenarios; s->name != NULL; s++) {
        if (strcmp(s->name, name) == 0) error = s->run(count, &w);
      }
    }
    if (error != NULL) {
      printf("error %s\n", error);
    } else {
      printf("%lld %lld\n", (long long)w.cpu, (long long)w.wall);
    }
    fflush(stdout);
  }
  return 0;
}

/* Heap in use, for the memory scenarios. */
static int64_t heap_bytes(void) { 
  struct mallinfo2 info = mallinfo2();
  return (int64_t)info.uordblks + (int64_t)info.hblkhd;
}
#endif

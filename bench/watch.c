// The watchdog's thread and its report. See watch.h.
#include "watch.h"

#include "contender.h"
#include "suite.h"

#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

// A watched thread; on a cache line of its own, for it is written around every chain. Relaxed: only the report reads it.
typedef struct watched {
    _Alignas(128) _Atomic(int) doing;
    _Atomic(uint32_t) slot;
    _Atomic(uint64_t) chains; // submitted in this step
} watched;

static struct {
    pthread_t thread;
    bool runs;              // `thread` does; the main thread's
    pthread_mutex_t lock;   // guards the members up to `phase`
    pthread_cond_t changed; // signalled when `stop` is set
    bool stop;
    report *results;           // NULL: not open
    uint32_t limit_s;          // of --limit-s; 0: as the step is
    uint64_t limit_ns;         // of the step
    contender *who;            // of the step
    char what[128];            // the step's name
    uint64_t begin_ns;         // when it began; 0: there is none
    const char *_Atomic phase; // what the main thread does
    atomic_flag given_up;      // somebody reports already
    watched threads[WORK_THREADS];
} watch = {.lock = PTHREAD_MUTEX_INITIALIZER, .given_up = ATOMIC_FLAG_INIT};

static const char *const doings[] = {
    [WATCH_NOTHING] = "has not begun",
    [WATCH_ENTER] = "makes itself known to the API",
    [WATCH_SUBMIT] = "submits",
    [WATCH_WAIT] = "waits for its chain",
    [WATCH_WAIT_ALL] = "waits for everything",
    [WATCH_START] = "waits at the start for the others",
    [WATCH_DONE] = "has ended",
};

static void on_alarm(int signal_number)
{
    (void)signal_number;
    static const char sentence[] = "fermata-bench: the API does not answer, either\n";
    ssize_t written = write(STDERR_FILENO, sentence, sizeof sentence - 1);
    (void)written;
    _exit(BENCH_FAILED);
}

static void print_threads(void)
{
    for (uint32_t i = 0; i < WORK_THREADS; i++) {
        const watched *t = &watch.threads[i];
        int doing = atomic_load(&t->doing);
        if (doing != WATCH_NOTHING) {
            fprintf(stderr, "  thread %u %s, slot %u, %llu chains submitted\n", i, doings[doing], atomic_load(&t->slot),
                    (unsigned long long)atomic_load(&t->chains));
        }
    }
}

// What the API says of the chains that are waited for; it may hang, or end the hang.
static void describe_threads(contender *who)
{
    for (uint32_t i = 0; who && i < WORK_THREADS; i++) {
        const watched *t = &watch.threads[i];
        int doing = atomic_load(&t->doing);
        if (doing == WATCH_WAIT || doing == WATCH_WAIT_ALL || doing == WATCH_SUBMIT) {
            char text[160] = "";
            who->ops->describe(who, i, atomic_load(&t->slot), text, sizeof text);
            fprintf(stderr, "  thread %u, slot %u: %s\n", i, atomic_load(&t->slot), text);
        }
    }
}

_Noreturn void watch_give_up(const char *why)
{
    while (atomic_flag_test_and_set(&watch.given_up)) {
        pause(); // another thread reports, and ends the process
    }
    signal(SIGALRM, on_alarm);
    alarm(WATCH_DESCRIBE_S);
    pthread_mutex_lock(&watch.lock);
    contender *who = watch.who;
    fflush(stdout);
    fprintf(stderr, "fermata-bench: %s%s%s hangs: %s; %.1f s after it began, the main thread %s\n", watch.what,
            who ? ", " : "", who ? who->name : "", why, (double)(now_ns() - watch.begin_ns) / 1e9,
            atomic_load(&watch.phase));
    print_threads();
    if (watch.results) {
        report_save(watch.results);
    }
    describe_threads(who);
    _exit(BENCH_FAILED);
}

static void *guard(void *unused)
{
    (void)unused;
    pthread_mutex_lock(&watch.lock);
    while (!watch.stop) {
        // Steps of the same limit that begin meanwhile only move the end away: nobody needs to wake this thread for them.
        uint64_t now = now_ns(), end = (watch.begin_ns ? watch.begin_ns : now) + watch.limit_ns;
        if (now >= end) {
            char why[64];
            snprintf(why, sizeof why, "this took longer than %u s (--limit-s)",
                     (unsigned)(watch.limit_ns / 1000000000));
            pthread_mutex_unlock(&watch.lock);
            watch_give_up(why);
        }
        struct timespec until = {(time_t)(end / 1000000000), (long)(end % 1000000000)};
        pthread_cond_timedwait(&watch.changed, &watch.lock, &until);
    }
    pthread_mutex_unlock(&watch.lock);
    return NULL;
}

void watch_open(report *results, uint32_t limit_s)
{
    pthread_condattr_t clock;
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&watch.changed, &clock);
    pthread_condattr_destroy(&clock);
    watch.limit_s = limit_s;
    watch.results = results;
    watch.stop = false;
    watch.begin_ns = 0;
    watch.limit_ns = WATCH_MOST_S * UINT64_C(1000000000);
    atomic_store(&watch.phase, "prepares");
}

// Begins a step; `usual_s` is its limit unless --limit-s names one.
static void begin_step(contender *who, uint32_t usual_s, const char *what)
{
    pthread_mutex_lock(&watch.lock);
    snprintf(watch.what, sizeof watch.what, "%s", what);
    watch.who = who;
    uint64_t limit_ns = (watch.limit_s ? watch.limit_s : usual_s) * UINT64_C(1000000000);
    if (limit_ns != watch.limit_ns) {
        pthread_cond_signal(&watch.changed); // its end may come sooner than the last one's
    }
    watch.limit_ns = limit_ns;
    watch.begin_ns = now_ns();
    pthread_mutex_unlock(&watch.lock);
    // Not before the first step: a suite forks before it.
    if (!watch.runs && !(watch.runs = pthread_create(&watch.thread, NULL, guard, NULL) == 0)) {
        fprintf(stderr, "fermata-bench: no thread for the watchdog\n");
    }
    for (uint32_t i = 0; i < WORK_THREADS; i++) {
        atomic_store_explicit(&watch.threads[i].doing, WATCH_NOTHING, memory_order_relaxed);
        atomic_store_explicit(&watch.threads[i].chains, 0, memory_order_relaxed);
    }
    watch_phase("prepares");
}

void watch_step(contender *who, const char *format, ...)
{
    char what[sizeof watch.what];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    begin_step(who, WATCH_STEP_S, what);
}

void watch_suite(const char *name)
{
    begin_step(NULL, WATCH_MOST_S, name);
}

void watch_phase(const char *phase)
{
    atomic_store_explicit(&watch.phase, phase, memory_order_relaxed);
}

void watch_thread(uint32_t thread, watch_doing doing, uint32_t slot)
{
    watched *t = &watch.threads[thread];
    if (doing == WATCH_SUBMIT) {
        uint64_t chains = atomic_load_explicit(&t->chains, memory_order_relaxed);
        atomic_store_explicit(&t->chains, chains + 1, memory_order_relaxed);
    }
    atomic_store_explicit(&t->slot, slot, memory_order_relaxed);
    atomic_store_explicit(&t->doing, doing, memory_order_relaxed);
}

void watch_close(void)
{
    pthread_mutex_lock(&watch.lock);
    watch.stop = true;
    pthread_cond_signal(&watch.changed);
    pthread_mutex_unlock(&watch.lock);
    if (watch.runs) {
        pthread_join(watch.thread, NULL);
        watch.runs = false;
    }
    pthread_cond_destroy(&watch.changed);
    watch.results = NULL;
}

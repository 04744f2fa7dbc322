// Worker threads and the callback recorder. See threads.h.
#include "threads.h"

#include <time.h>

// Where workers wait for each other, so that they really run at once.
typedef struct ct_start {
    pthread_mutex_t lock;   // guards `waiting`
    pthread_cond_t changed; // signalled when the last has come
    uint32_t waiting;       // workers still to come
} ct_start;

static void condition_init(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
}

static struct timespec deadline(void)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(CT_TIMEOUT_NS / UINT64_C(1000000000));
    return until;
}

bool ct_worker_check(ct_worker *worker, fm_status actual, fm_status expected, const char *call, int line)
{
    bool silent = actual < 0 && fm_last_error()[0] == '\0';
    if (actual == expected && !silent) return true;
    worker->failed = true;
    snprintf(worker->failure, sizeof worker->failure, "line %d: %s answered %s, expected %s; last error: %s", line,
             call, fm_status_name(actual), fm_status_name(expected), fm_last_error());
    return false;
}

bool ct_worker_true(ct_worker *worker, bool condition, const char *text, int line)
{
    if (condition) return true;
    worker->failed = true;
    snprintf(worker->failure, sizeof worker->failure, "line %d: not true: %s", line, text);
    return false;
}

static void start_together(ct_start *start)
{
    struct timespec until = deadline();
    int late = 0;
    pthread_mutex_lock(&start->lock);
    if (--start->waiting == 0) pthread_cond_broadcast(&start->changed);
    while (start->waiting != 0 && !late) late = pthread_cond_timedwait(&start->changed, &start->lock, &until);
    pthread_mutex_unlock(&start->lock);
}

static void *worker_main(void *argument)
{
    ct_worker *worker = argument;
    if (worker->start) start_together(worker->start);
    worker->body(worker);
    return NULL;
}

void ct_run_workers(ct_fixture *fixture, uint32_t count, void (*body)(ct_worker *worker), void *shared)
{
    ct_start start = {.lock = PTHREAD_MUTEX_INITIALIZER, .waiting = count};
    condition_init(&start.changed);
    ct_worker *workers = calloc(count, sizeof *workers);
    assert_non_null(workers);
    uint32_t failures = 0;
    for (uint32_t i = 0; i < count; i++) {
        workers[i] = (ct_worker){
            .fixture = fixture, .shared = shared, .index = i, .count = count, .start = &start, .body = body};
        if (pthread_create(&workers[i].thread, NULL, worker_main, &workers[i]) != 0) abort();
    }
    for (uint32_t i = 0; i < count; i++) {
        pthread_join(workers[i].thread, NULL);
        if (!workers[i].failed) continue;
        print_error("worker %u: %s\n", i, workers[i].failure);
        failures++;
    }
    free(workers);
    pthread_cond_destroy(&start.changed);
    if (failures != 0) fail_msg("%u of %u workers failed", failures, count);
}

void ct_start_worker(ct_fixture *fixture, ct_worker *worker, void (*body)(ct_worker *worker), void *shared)
{
    *worker = (ct_worker){.fixture = fixture, .shared = shared, .count = 1, .body = body};
    assert_int_equal(pthread_create(&worker->thread, NULL, worker_main, worker), 0);
}

void ct_join_worker(ct_worker *worker)
{
    pthread_join(worker->thread, NULL);
    if (worker->failed) fail_msg("worker: %s", worker->failure);
}

void ct_calls_init(ct_calls *calls)
{
    memset(calls, 0, sizeof *calls);
    pthread_mutex_init(&calls->lock, NULL);
    condition_init(&calls->changed);
}

void ct_calls_destroy(ct_calls *calls)
{
    pthread_cond_destroy(&calls->changed);
    pthread_mutex_destroy(&calls->lock);
}

void ct_calls_record(void *user, fm_point point, fm_status status)
{
    ct_calls *calls = user;
    pthread_mutex_lock(&calls->lock);
    if (calls->count < CT_MAX_CALLS) {
        calls->points[calls->count] = point;
        calls->statuses[calls->count] = status;
    }
    calls->count++;
    pthread_cond_broadcast(&calls->changed);
    pthread_mutex_unlock(&calls->lock);
}

bool ct_calls_reach(ct_calls *calls, uint32_t count)
{
    struct timespec until = deadline();
    int late = 0;
    pthread_mutex_lock(&calls->lock);
    while (calls->count < count && !late) late = pthread_cond_timedwait(&calls->changed, &calls->lock, &until);
    bool reached = calls->count >= count;
    pthread_mutex_unlock(&calls->lock);
    return reached;
}

uint32_t ct_calls_count(ct_calls *calls)
{
    pthread_mutex_lock(&calls->lock);
    uint32_t count = calls->count;
    pthread_mutex_unlock(&calls->lock);
    return count;
}

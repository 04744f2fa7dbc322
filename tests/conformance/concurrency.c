// Concurrency: the public calls from many threads at once. Meant to be run often, and under ThreadSanitizer: one pass
// is short, and FERMATA_TEST_SCALE makes it longer or shorter. Every value is checked; workers report through
// threads.h.
#include "groups.h"
#include "threads.h"

#include <time.h>

enum { THREADS = 8, SIDE = 64, WORDS = SIDE * SIDE };

// What the readers share.
typedef struct readers {
    fm_kernel set;
    fm_kernel step;
    fm_stream stream; // null: each thread has its own
} readers;

// The source's test: full(v), then 2 x + 1, then a read-back. Every element must be 2 v + 1 (READ-1).
static void fill_step_read(ct_worker *worker)
{
    const readers *shared = worker->shared;
    fm_device *device = worker->fixture->device;
    fm_stream stream = shared->stream;
    static _Thread_local uint32_t words[WORDS];
    if (stream.id == 0) CT_WORKER_OK(worker, fm_stream_create(device, NULL, &stream));
    for (uint32_t i = 0; i < ct_scaled(12); i++) {
        uint32_t v = worker->index * 1000 + i;
        fm_buffer buffer;
        fm_commands *commands = NULL;
        CT_WORKER_OK(worker, fm_buffer_create(device, &(fm_buffer_info){.size_bytes = sizeof words}, &buffer));
        CT_WORKER_OK(worker, fm_commands_begin(device, NULL, &commands));
        CT_WORKER_OK(worker, ct_record_set(commands, shared->set, buffer, WORDS, v));
        CT_WORKER_OK(worker, ct_record_set(commands, shared->step, buffer, WORDS, 1));
        memset(words, CT_POISON, sizeof words);
        if (i % 2) {
            fm_point point;
            CT_WORKER_OK(worker, fm_read(commands, buffer, 0, sizeof words, words));
            CT_WORKER_OK(worker, fm_commit(&commands, &(fm_commit_info){.stream = stream}, &point));
            CT_WORKER_OK(worker, fm_buffer_destroy(device, buffer));
            CT_WORKER_OK(worker, fm_point_wait(device, point, CT_TIMEOUT_NS));
        } else {
            CT_WORKER_OK(worker, fm_commit(&commands, &(fm_commit_info){.stream = stream}, NULL));
            CT_WORKER_OK(worker, fm_buffer_read(device, stream, buffer, 0, sizeof words, words, CT_TIMEOUT_NS));
            CT_WORKER_OK(worker, fm_buffer_destroy(device, buffer));
        }
        for (uint32_t k = 0; k < WORDS; k++) CT_WORKER_TRUE(worker, words[k] == 2 * v + 1);
    }
}

static void concurrency_of_readbacks_on_own_streams_gives_right_values(void **state)
{
    ct_fixture *f = *state;
    readers shared = {.set = ct_kernel_set(f), .step = ct_kernel_step(f)};
    ct_run_workers(f, THREADS, fill_step_read, &shared);
}

static void concurrency_of_readbacks_on_one_stream_gives_right_values(void **state)
{
    ct_fixture *f = *state;
    readers shared = {.set = ct_kernel_set(f), .step = ct_kernel_step(f), .stream = f->stream};
    ct_run_workers(f, THREADS, fill_step_read, &shared);
    ct_wait_idle(f);
    fm_commands *commands = ct_begin(f);
    fm_point last = ct_commit(&commands, f->stream);
    // Each round commits once, and half of them read through a commit of their own: none was lost or counted twice.
    uint32_t rounds = ct_scaled(12);
    assert_in_range(last.value, THREADS * rounds + 1, THREADS * 2 * rounds + 1);
}

// One list under the hands of four threads.
typedef struct hammered {
    fm_commands *commands;
    fm_kernel count;
    fm_stream stream;
    fm_buffer counter;
    fm_buffer scratch;
    _Atomic(uint32_t) dispatches; // dispatches that were answered FM_OK
    _Atomic(uint32_t) commits;    // commits that were answered FM_OK
} hammered;

static void hammer(ct_worker *worker)
{
    hammered *h = worker->shared;
    fm_binding binding = {.buffer = h->counter};
    fm_dispatch_info info = ct_dispatch_info(h->count, 1, &binding, 1, NULL, 0);
    for (uint32_t i = 0; i < ct_scaled(150); i++) {
        fm_status status = FM_OK;
        switch ((i + worker->index) % 5) {
        case 0: status = fm_fill(h->commands, h->scratch, 0, FM_WHOLE_SIZE, i); break;
        case 1: status = fm_barrier(h->commands); break;
        case 2: status = fm_upload(h->commands, h->scratch, 1, 3, &i); break;
        default:
            status = fm_dispatch(h->commands, &info);
            if (status == FM_OK) atomic_fetch_add(&h->dispatches, 1);
            break;
        }
        CT_WORKER_TRUE(worker, status == FM_OK || status == FM_ERROR_BUSY);
    }
}

static void hammer_and_commit(ct_worker *worker)
{
    hammered *h = worker->shared;
    fm_commands *own = h->commands;
    fm_binding binding = {.buffer = h->counter};
    fm_dispatch_info info = ct_dispatch_info(h->count, 1, &binding, 1, NULL, 0);
    for (uint32_t i = 0; i < 20; i++) {
        fm_status status = fm_dispatch(own, &info);
        CT_WORKER_TRUE(worker, status == FM_OK || status < 0);
        if (status == FM_OK) atomic_fetch_add(&h->dispatches, 1);
    }
    fm_status status = fm_commit(&own, &(fm_commit_info){.stream = h->stream}, NULL);
    CT_WORKER_TRUE(worker, status == FM_OK || status == FM_ERROR_BUSY || status == FM_ERROR_INVALID_ARGUMENT);
    if (status == FM_OK) atomic_fetch_add(&h->commits, 1);
}

static void init_hammered(ct_fixture *f, hammered *h)
{
    h->commands = ct_begin(f);
    h->count = ct_kernel_count(f);
    h->stream = f->stream;
    h->counter = ct_buffer(f, 4);
    h->scratch = ct_buffer(f, 64);
    atomic_init(&h->dispatches, 0);
    atomic_init(&h->commits, 0);
}

// THREAD-2: the second thread inside a list gets FM_ERROR_BUSY; what was answered FM_OK is in the list, and nothing
// else.
static void concurrency_of_four_threads_in_one_list_is_busy_or_recorded(void **state)
{
    ct_fixture *f = *state;
    hammered h;
    init_hammered(f, &h);
    uint64_t before = ct_stats(f).dispatches;
    ct_run_workers(f, 4, hammer, &h);
    ct_finish(f, h.commands);
    ct_wait_idle(f);
    assert_true(h.dispatches > 0);
    assert_int_equal(ct_stats(f).dispatches - before, h.dispatches);
    ct_expect_words(f, h.counter, 1, 64 * h.dispatches);
}

static void concurrency_of_four_commits_of_one_list_commits_it_at_most_once(void **state)
{
    ct_fixture *f = *state;
    for (uint32_t round = 0; round < ct_scaled(5); round++) {
        hammered h;
        init_hammered(f, &h);
        ct_run_workers(f, 4, hammer_and_commit, &h);
        assert_true(h.commits <= 1);
        if (h.commits == 0) CT_OK(fm_commit(&h.commands, &(fm_commit_info){.stream = f->stream}, NULL));
        ct_expect_words(f, h.counter, 1, 64 * h.dispatches);
        ct_wait_idle(f);
    }
}

// Buffers that one thread uses and another destroys, while the first one's work is in flight.
typedef struct mailboxes {
    fm_kernel set;
    _Atomic(uint64_t) sent[4];
    _Atomic(uint32_t) done; // users that have ended
} mailboxes;

static void use_and_send(ct_worker *worker, mailboxes *m)
{
    fm_device *device = worker->fixture->device;
    fm_stream stream;
    uint32_t words[256];
    CT_WORKER_OK(worker, fm_stream_create(device, NULL, &stream));
    for (uint32_t i = 0; i < ct_scaled(25); i++) {
        fm_buffer buffer;
        fm_commands *commands = NULL;
        fm_point point;
        CT_WORKER_OK(worker, fm_buffer_create(device, &(fm_buffer_info){.size_bytes = 1024}, &buffer));
        CT_WORKER_OK(worker, fm_commands_begin(device, NULL, &commands));
        CT_WORKER_OK(worker, ct_record_set(commands, m->set, buffer, 128, i));
        memset(words, CT_POISON, sizeof words);
        CT_WORKER_OK(worker, fm_read(commands, buffer, 0, sizeof words, words));
        uint64_t unsent = atomic_exchange(&m->sent[worker->index % 4], buffer.id); // from here another may destroy it
        CT_WORKER_OK(worker, fm_commit(&commands, &(fm_commit_info){.stream = stream}, &point));
        if (unsent) CT_WORKER_OK(worker, fm_buffer_destroy(device, (fm_buffer){unsent}));
        CT_WORKER_OK(worker, fm_point_wait(device, point, CT_TIMEOUT_NS));
        for (uint32_t k = 0; k < 256; k++) CT_WORKER_TRUE(worker, words[k] == (k < 128 ? i : 0));
    }
    CT_WORKER_OK(worker, fm_stream_destroy(device, stream));
}

static void destroy_what_comes(ct_worker *worker, mailboxes *m)
{
    fm_device *device = worker->fixture->device;
    bool ended = false;
    while (!ended) {
        ended = atomic_load(&m->done) == 4; // then one more round empties the boxes
        for (uint32_t i = 0; i < 4; i++) {
            fm_buffer buffer = {atomic_exchange(&m->sent[i], 0)};
            CT_WORKER_OK(worker, fm_buffer_destroy(device, buffer)); // the null handle does nothing
            uint64_t size = 0;
            fm_status status = fm_buffer_get_size(device, buffer, &size);
            CT_WORKER_TRUE(worker, status == (buffer.id ? FM_ERROR_STALE_HANDLE : FM_ERROR_NULL_HANDLE));
        }
        fm_buffer own; // and buffers come and go meanwhile
        CT_WORKER_OK(worker, fm_buffer_create(device, &(fm_buffer_info){.size_bytes = 1024}, &own));
        CT_WORKER_OK(worker, fm_buffer_destroy(device, own));
    }
}

static void use_or_destroy(ct_worker *worker)
{
    mailboxes *m = worker->shared;
    if (worker->index >= 4) {
        destroy_what_comes(worker, m);
        return;
    }
    use_and_send(worker, m);
    atomic_fetch_add(&m->done, 1);
}

static void concurrency_of_use_and_destruction_keeps_values_right(void **state)
{
    ct_fixture *f = *state;
    mailboxes m = {.set = ct_kernel_set(f)};
    ct_run_workers(f, 5, use_or_destroy, &m);
    ct_wait_idle(f);
    CT_OK(fm_device_trim(f->device, NULL)); // what idle recorders keep for their next list
    assert_int_equal(ct_stats(f).bytes_in_use, 0);
}

// Everybody asks about the same points.
enum { POINTS = 24 };
typedef struct asked {
    fm_point points[POINTS];
    ct_calls calls;
} asked;

static void ask_about_all(ct_worker *worker)
{
    asked *a = worker->shared;
    fm_device *device = worker->fixture->device;
    for (uint32_t i = 0; i < POINTS; i++) {
        fm_point point = a->points[(i * (worker->index + 1)) % POINTS];
        CT_WORKER_OK(worker, fm_point_on_complete(device, point, ct_calls_record, &a->calls));
        fm_status status = fm_point_poll(device, point);
        CT_WORKER_TRUE(worker, status == FM_OK || status == FM_NOT_READY);
        status = fm_point_wait(device, point, 1000);
        CT_WORKER_TRUE(worker, status == FM_OK || status == FM_TIMEOUT);
        CT_WORKER_OK(worker, fm_point_wait(device, point, CT_TIMEOUT_NS));
        CT_WORKER_OK(worker, fm_point_poll(device, point));
    }
}

static void concurrency_of_waiters_on_the_same_points_tells_each_once(void **state)
{
    ct_fixture *f = *state;
    asked a;
    ct_calls_init(&a.calls);
    fm_buffer buffer = ct_buffer(f, 4096);
    fm_kernel step = ct_kernel_step(f);
    fm_stream second;
    CT_OK(fm_stream_create(f->device, NULL, &second));
    for (uint32_t i = 0; i < POINTS; i++) {
        fm_commands *commands = ct_begin(f);
        if (i % 2) CT_OK(ct_record_set(commands, step, buffer, 1024, 1));
        a.points[i] = ct_commit(&commands, i % 4 < 2 ? f->stream : second);
    }
    ct_run_workers(f, THREADS, ask_about_all, &a);
    assert_true(ct_calls_reach(&a.calls, THREADS * POINTS));
    CT_OK(fm_device_close(&f->device, CT_TIMEOUT_NS));
    assert_int_equal(ct_calls_count(&a.calls), THREADS * POINTS);
    for (uint32_t i = 0; i < THREADS * POINTS; i++) assert_int_equal(a.calls.statuses[i], FM_OK);
    ct_calls_destroy(&a.calls);
}

// Commits that meet the limit of lists in flight, on one stream and on own ones.
typedef struct limited {
    fm_kernel count;
    fm_stream stream;
    fm_buffer counter;
    _Atomic(uint32_t) refused;
} limited;

static void commit_at_the_limit(ct_worker *worker)
{
    limited *l = worker->shared;
    fm_device *device = worker->fixture->device;
    fm_binding binding = {.buffer = l->counter};
    fm_dispatch_info info = ct_dispatch_info(l->count, 1, &binding, 1, NULL, 0);
    for (uint32_t i = 0; i < ct_scaled(30); i++) {
        fm_commands *commands = NULL;
        CT_WORKER_OK(worker, fm_commands_begin(device, NULL, &commands));
        CT_WORKER_OK(worker, fm_dispatch(commands, &info));
        fm_commands *kept = commands;
        fm_status status = fm_commit(&commands, &(fm_commit_info){.stream = l->stream, .no_wait = 1}, NULL);
        if (status == FM_WOULD_BLOCK) {
            CT_WORKER_TRUE(worker, commands == kept);
            atomic_fetch_add(&l->refused, 1);
            status = fm_commit(&commands, &(fm_commit_info){.stream = l->stream}, NULL);
        }
        CT_WORKER_OK(worker, status);
        CT_WORKER_TRUE(worker, commands == NULL);
    }
}

static void concurrency_of_commits_at_the_limit_loses_none(void **state)
{
    ct_fixture *f = *state;
    CT_OK(fm_device_close(&f->device, CT_TIMEOUT_NS));
    fm_device_info open = {.lists_in_flight = 2, .log = ct_log_nothing};
    CT_OK(fm_device_open(f->device_name, &open, &f->device));
    CT_OK(fm_stream_create(f->device, NULL, &f->stream));
    limited l = {.count = ct_kernel_count(f), .stream = f->stream, .counter = ct_buffer(f, 4)};
    ct_run_workers(f, 4, commit_at_the_limit, &l);
    fm_device_stats stats = ct_stats(f);
    assert_true(stats.lists_in_flight <= 2);
    assert_int_equal(stats.commits, 4 * ct_scaled(30));
    ct_expect_words(f, l.counter, 1, 4 * 64 * ct_scaled(30));
}

// RETIRE-6 from many threads: commits without a wait, each with a temporary of its own.
static void commit_without_waiting(ct_worker *worker)
{
    const limited *l = worker->shared;
    fm_device *device = worker->fixture->device;
    fm_stream stream;
    CT_WORKER_OK(worker, fm_stream_create(device, NULL, &stream));
    for (uint32_t i = 0; i < ct_scaled(250); i++) {
        fm_buffer temporary;
        fm_commands *commands = NULL;
        CT_WORKER_OK(worker, fm_buffer_create(device, &(fm_buffer_info){.size_bytes = 4096}, &temporary));
        CT_WORKER_OK(worker, fm_commands_begin(device, NULL, &commands));
        fm_dispatch_info info = ct_dispatch_info(l->count, 1, CT_BINDINGS({.buffer = temporary}), NULL, 0);
        CT_WORKER_OK(worker, fm_dispatch(commands, &info));
        CT_WORKER_OK(worker, fm_buffer_destroy(device, temporary));
        CT_WORKER_OK(worker, fm_commit(&commands, &(fm_commit_info){.stream = stream}, NULL));
    }
    CT_WORKER_OK(worker, fm_stream_destroy(device, stream));
}

static void concurrency_of_commits_without_a_wait_is_bounded(void **state)
{
    ct_fixture *f = *state;
    enum { LISTS = 32 };
    CT_OK(fm_device_close(&f->device, CT_TIMEOUT_NS));
    fm_device_info open = {.lists_in_flight = LISTS, .log = ct_log_nothing};
    CT_OK(fm_device_open(f->device_name, &open, &f->device));
    limited l = {.count = ct_kernel_count(f)};
    ct_run_workers(f, 4, commit_without_waiting, &l);
    fm_device_stats stats = ct_stats(f);
    assert_int_equal(stats.commits, 4 * ct_scaled(250));
    assert_true(stats.bytes_in_use_peak <= UINT64_C(4) * (LISTS + 4) * 4096);
    ct_wait_idle(f);
    CT_OK(fm_device_trim(f->device, NULL)); // what idle recorders keep for their next list
    assert_int_equal(ct_stats(f).bytes_in_use, 0);
}

// A baton that goes round the threads: each commits behind the point that it was handed, on its own stream, and hands
// on its own point. Nothing waits for the device (RETIRE-7); 3 x + index + 1 shows any change of order.
typedef struct baton {
    pthread_mutex_t lock;   // guards `turn` and `last`
    pthread_cond_t changed; // signalled at each hand-over
    uint32_t turn;
    fm_point last;
    fm_kernel kernel;
    fm_buffer buffer;
    fm_stream streams[4];
} baton;

static bool take_turn(baton *b, uint32_t turn)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += (time_t)(CT_TIMEOUT_NS / UINT64_C(1000000000));
    int late = 0;
    pthread_mutex_lock(&b->lock);
    while (b->turn != turn && !late) late = pthread_cond_timedwait(&b->changed, &b->lock, &until);
    pthread_mutex_unlock(&b->lock);
    return !late;
}

static void pass_baton(ct_worker *worker)
{
    baton *b = worker->shared;
    fm_device *device = worker->fixture->device;
    for (uint32_t i = 0; i < ct_scaled(30); i++) {
        fm_commands *commands = NULL;
        CT_WORKER_OK(worker, fm_commands_begin(device, NULL, &commands));
        CT_WORKER_OK(worker, ct_record_set(commands, b->kernel, b->buffer, 256, worker->index + 1));
        CT_WORKER_TRUE(worker, take_turn(b, i * worker->count + worker->index));
        fm_commit_info info = {.stream = b->streams[worker->index], .after = &b->last, .after_count = 1};
        fm_point point;
        CT_WORKER_OK(worker, fm_commit(&commands, &info, &point));
        pthread_mutex_lock(&b->lock);
        b->last = point;
        b->turn++;
        pthread_cond_broadcast(&b->changed);
        pthread_mutex_unlock(&b->lock);
    }
}

static void concurrency_of_chained_streams_keeps_the_order_of_the_chain(void **state)
{
    ct_fixture *f = *state;
    baton b = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    b.kernel = ct_kernel(f, "uint i = global_id.x; if (i < count) x[i] = 3u * x[i] + value;",
                         CT_PARAMS({"x", FM_DTYPE_U32, FM_ACCESS_READ_WRITE}),
                         CT_CONSTANTS({"count", FM_DTYPE_U32}, {"value", FM_DTYPE_U32}));
    b.buffer = ct_buffer(f, 1024);
    for (uint32_t i = 0; i < 4; i++) CT_OK(fm_stream_create(f->device, NULL, &b.streams[i]));
    ct_run_workers(f, 4, pass_baton, &b);
    CT_OK(fm_point_wait(f->device, b.last, CT_TIMEOUT_NS));
    uint32_t expected = 0;
    for (uint32_t i = 0; i < ct_scaled(30) * 4; i++) expected = 3 * expected + i % 4 + 1;
    ct_expect_words(f, b.buffer, 256, expected);
}

// Commits and waits in every way: for the newest list or an older one, with a limit that runs out, not at all.
static void commit_and_wait(ct_worker *worker)
{
    const readers *shared = worker->shared;
    fm_device *device = worker->fixture->device;
    fm_stream stream;
    fm_buffer buffer;
    fm_point points[4] = {{{0}, 0}};
    const uint32_t rounds = ct_scaled(60), words = 16;
    CT_WORKER_OK(worker, fm_stream_create(device, NULL, &stream));
    CT_WORKER_OK(worker, fm_buffer_create(device, &(fm_buffer_info){.size_bytes = words * 4}, &buffer));
    for (uint32_t i = 0; i < rounds; i++) {
        fm_commands *commands = NULL;
        fm_point *point = &points[i % 4];
        CT_WORKER_OK(worker, fm_commands_begin(device, NULL, &commands));
        CT_WORKER_OK(worker, ct_record_set(commands, shared->set, buffer, words, i));
        CT_WORKER_OK(worker, fm_commit(&commands, &(fm_commit_info){.stream = stream}, point));
        uint32_t way = (i * 7 + worker->index) % 5;
        if (way == 0) {
            fm_status status = fm_point_wait(device, *point, 1 + i % 64 * 1000);
            CT_WORKER_TRUE(worker, status == FM_OK || status == FM_TIMEOUT);
        } else if (way == 1) {
            CT_WORKER_OK(worker, fm_point_wait(device, points[(i + 1) % 4], CT_TIMEOUT_NS)); // the oldest of four
        } else if (way < 4) {
            CT_WORKER_OK(worker, fm_point_wait(device, *point, CT_TIMEOUT_NS));
        }
    }
    CT_WORKER_OK(worker, fm_point_wait(device, points[(rounds - 1) % 4], CT_TIMEOUT_NS));
    uint32_t last[16] = {0};
    CT_WORKER_OK(worker, fm_buffer_read(device, stream, buffer, 0, sizeof last, last, CT_TIMEOUT_NS));
    CT_WORKER_TRUE(worker, last[0] == rounds - 1 && last[words - 1] == rounds - 1);
}

// ENGINE-1: whoever waits is woken, whatever the others wait for and whether they do.
static void concurrency_of_commits_and_waits_of_all_kinds_loses_no_wake_up(void **state)
{
    ct_fixture *f = *state;
    readers shared = {.set = ct_kernel_set(f)};
    ct_run_workers(f, THREADS, commit_and_wait, &shared);
}

int ct_group_concurrency(void)
{
    const struct CMUnitTest tests[] = {
        CT_TEST(concurrency_of_readbacks_on_own_streams_gives_right_values),
        CT_TEST(concurrency_of_readbacks_on_one_stream_gives_right_values),
        CT_TEST(concurrency_of_four_threads_in_one_list_is_busy_or_recorded),
        CT_TEST(concurrency_of_four_commits_of_one_list_commits_it_at_most_once),
        CT_TEST(concurrency_of_use_and_destruction_keeps_values_right),
        CT_TEST(concurrency_of_waiters_on_the_same_points_tells_each_once),
        CT_TEST(concurrency_of_commits_at_the_limit_loses_none),
        CT_TEST(concurrency_of_commits_without_a_wait_is_bounded),
        CT_TEST(concurrency_of_chained_streams_keeps_the_order_of_the_chain),
        CT_TEST(concurrency_of_commits_and_waits_of_all_kinds_loses_no_wake_up),
    };
    return cmocka_run_group_tests_name("concurrency", tests, NULL, NULL);
}

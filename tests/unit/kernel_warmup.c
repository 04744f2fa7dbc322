// Variants asked for ahead of time, on a backend of this test's own whose compiler stops at a gate: what is queued, under way, failed and
// taken back is a matter of order. Host C is what the backend is given, and nothing of it runs.
#include "base/error.h"
#include "base/text.h"
#include "kernel/warmup.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct fmi_backend {
    pthread_mutex_t lock; // guards the rest
    pthread_cond_t changed;
    const char *held; // a compile whose source contains this waits until it is NULL
    int inside;
    int created;
    int destroyed;
    fm_status failure;
};

struct fmi_kernel_binary {
    int number;
};

static fm_status create_kernel(fmi_backend *backend, const fmi_kernel_code *code, fmi_kernel_binary **out,
                               fmi_text *log)
{
    (void)log;
    pthread_mutex_lock(&backend->lock);
    backend->inside++;
    pthread_cond_broadcast(&backend->changed);
    while (backend->held && strstr(code->code, backend->held)) {
        pthread_cond_wait(&backend->changed, &backend->lock);
    }
    backend->inside--;
    fm_status status = backend->failure;
    if (status == FM_OK) {
        *out = malloc(sizeof **out);
        (*out)->number = backend->created++;
    } else {
        fmi_fail(status, "the device refuses it");
    }
    pthread_mutex_unlock(&backend->lock);
    return status;
}

static void destroy_kernel(fmi_backend *backend, fmi_kernel_binary *binary)
{
    pthread_mutex_lock(&backend->lock);
    backend->destroyed++;
    pthread_mutex_unlock(&backend->lock);
    free(binary);
}

static const fmi_backend_ops ops = {.prefix = "test", .create_kernel = create_kernel, .destroy_kernel = destroy_kernel};
static const fmi_backend_caps caps = {.description = "tester",
                                      .max_group_size = {128, 128, 64},
                                      .max_group_invocations = 256,
                                      .dtype_mask = 1u << FM_DTYPE_F32 | 1u << FM_DTYPE_F16 | 1u << FM_DTYPE_I32,
                                      .takes_host_functions = true};

enum { F32 = FM_DTYPE_F32, F16 = FM_DTYPE_F16, I32 = FM_DTYPE_I32 };
static const char half_source[] = "unsigned short *"; // how the half variant's source is told from the others

typedef struct fixture {
    fmi_backend backend;
    fmi_cache cache;
    fmi_table kernels;
    fmi_warmup warmup;
    fmi_kernel_object *object;
    uint64_t id;
} fixture;

static void free_kernel(void *user, fmi_slot *slot)
{
    (void)user;
    fmi_kernel_destroy(((fmi_kernel_object *)slot)->kernel);
}

static void set_up(fixture *f, uint32_t threads)
{
    *f = (fixture){.backend = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER}};
    const fmi_cache_info info = {
        .ops = &ops, .backend = &f->backend, .caps = &caps, .limit_count = 100, .limit_bytes = 1 << 20, .tag = 1};
    assert_int_equal(fmi_cache_init(&f->cache, &info), FM_OK);
    assert_int_equal(fmi_table_init(&f->kernels, sizeof(fmi_kernel_object), "kernel", 1, 5, free_kernel, NULL), FM_OK);
    fmi_warmup_init(&f->warmup, &f->kernels, threads);
    const fm_kernel_info kernel = {.name = "k",
                                   .code = "x[global_id.x] = 1;",
                                   .params = &(fm_kernel_param){"x", FM_DTYPE_NONE, FM_ACCESS_WRITE},
                                   .param_count = 1};
    f->object = (fmi_kernel_object *)fmi_table_reserve(&f->kernels);
    assert_int_equal(fmi_kernel_create(&f->cache, &kernel, &f->object->kernel), FM_OK);
    f->id = fmi_table_publish(&f->kernels, &f->object->slot);
}

static void tear_down(fixture *f)
{
    fmi_warmup_destroy(&f->warmup);
    fmi_table_destroy(&f->kernels);
    fmi_cache_destroy(&f->cache);
    assert_int_equal(f->backend.created, f->backend.destroyed);
}

static fm_status ask(fixture *f, uint64_t dtypes)
{
    return fmi_warmup_ask(&f->warmup, f->object, f->id, dtypes);
}

static fm_status poll_variant(fixture *f, uint64_t dtypes)
{
    return fmi_warmup_poll(&f->warmup, f->object, f->id, dtypes);
}

static fm_status wait_variant(fixture *f, uint64_t dtypes, uint64_t timeout_ns)
{
    return fmi_warmup_wait(&f->warmup, f->object, f->id, dtypes, timeout_ns);
}

// Waits until a compile has come to the gate.
static void wait_until_inside(fmi_backend *backend)
{
    pthread_mutex_lock(&backend->lock);
    while (backend->inside == 0) {
        pthread_cond_wait(&backend->changed, &backend->lock);
    }
    pthread_mutex_unlock(&backend->lock);
}

static void set_gate(fmi_backend *backend, const char *held)
{
    pthread_mutex_lock(&backend->lock);
    backend->held = held;
    pthread_cond_broadcast(&backend->changed);
    pthread_mutex_unlock(&backend->lock);
}

// What a dispatch does.
static void use(fixture *f, uint64_t dtypes)
{
    fmi_variant *variant;
    assert_int_equal(fmi_kernel_hold_variant(f->object->kernel, dtypes, FMI_NO_SHARE, "fm_dispatch", &variant, NULL),
                     FM_OK);
    fmi_table_release(&f->cache.variants, &variant->slot);
}

static void warmup_makes_what_was_asked_for_once(void **state)
{
    (void)state;
    fixture f;
    set_up(&f, 2);
    assert_int_equal(poll_variant(&f, F32), FM_ERROR_INVALID_ARGUMENT);
    assert_non_null(strstr(fm_last_error(), "was not asked for"));
    assert_int_equal(wait_variant(&f, F32, 1000), FM_ERROR_INVALID_ARGUMENT);
    assert_int_equal(f.warmup.thread_count, 0); // there is no thread before one is needed
    for (int i = 0; i < 3; i++) {
        assert_int_equal(ask(&f, F32), FM_OK);
        assert_int_equal(ask(&f, I32), FM_OK);
    }
    assert_int_equal(wait_variant(&f, F32, UINT64_MAX), FM_OK);
    assert_int_equal(wait_variant(&f, I32, 120000000000), FM_OK);
    assert_int_equal(poll_variant(&f, F32), FM_OK);
    assert_int_equal(f.backend.created, 2);
    use(&f, F32);
    use(&f, I32);
    assert_int_equal(f.backend.created, 2);
    assert_true(f.warmup.thread_count >= 1 && f.warmup.thread_count <= 2);
    tear_down(&f);
}

typedef struct user {
    fixture *f;
    uint64_t dtypes;
} user;

static void *run_user(void *argument)
{
    const user *u = argument;
    use(u->f, u->dtypes);
    return NULL;
}

static void warmup_holds_up_nobody_who_wants_something_else_key_4(void **state)
{
    (void)state;
    fixture f;
    set_up(&f, 1);
    f.backend.held = half_source;
    assert_int_equal(ask(&f, F16), FM_OK);
    wait_until_inside(&f.backend);
    assert_int_equal(ask(&f, I32), FM_OK); // behind it, in the queue of the only thread
    assert_int_equal(poll_variant(&f, F16), FM_NOT_READY);
    assert_int_equal(poll_variant(&f, I32), FM_NOT_READY);
    assert_int_equal(wait_variant(&f, F16, 1), FM_TIMEOUT);
    assert_int_equal(poll_variant(&f, F16), FM_NOT_READY); // a time-out implies nothing
    use(&f, I32);                                          // a dispatch makes what nobody has begun
    assert_int_equal(poll_variant(&f, I32), FM_OK);
    user u = {&f, F16};
    pthread_t thread;
    uint64_t misses = f.cache.counters.misses;
    assert_int_equal(pthread_create(&thread, NULL, run_user, &u), 0); // waits for the one under way
    while (atomic_load(&f.cache.counters.misses) == misses) {
        sched_yield();
    }
    set_gate(&f.backend, NULL);
    pthread_join(thread, NULL);
    assert_int_equal(wait_variant(&f, F16, 120000000000), FM_OK);
    assert_int_equal(f.backend.created, 2);
    assert_int_equal(f.warmup.thread_count, 1);
    tear_down(&f);
}

static void warmup_failure_is_told_until_it_is_asked_for_again(void **state)
{
    (void)state;
    fixture f;
    set_up(&f, 1);
    f.backend.failure = FM_ERROR_BACKEND;
    assert_int_equal(ask(&f, F32), FM_OK);
    assert_int_equal(wait_variant(&f, F32, 120000000000), FM_ERROR_BACKEND);
    assert_non_null(strstr(fm_last_error(), "the device refuses it"));
    assert_int_equal(poll_variant(&f, F32), FM_ERROR_BACKEND);
    f.backend.failure = FM_OK;
    assert_int_equal(poll_variant(&f, F32), FM_ERROR_BACKEND); // nobody has tried since
    assert_int_equal(ask(&f, F32), FM_OK);
    assert_int_equal(wait_variant(&f, F32, 120000000000), FM_OK);
    f.backend.failure = FM_ERROR_BACKEND;
    assert_int_equal(ask(&f, I32), FM_OK);
    assert_int_equal(wait_variant(&f, I32, 120000000000), FM_ERROR_BACKEND);
    f.backend.failure = FM_OK;
    use(&f, I32);
    assert_int_equal(poll_variant(&f, I32), FM_OK); // a dispatch has succeeded meanwhile
    tear_down(&f);
}

static void warmup_keeps_few_failures(void **state)
{
    (void)state;
    enum { KERNELS = FMI_WARMUP_MOST_FAILURES + 10 };
    fixture f;
    set_up(&f, 1);
    f.backend.failure = FM_ERROR_BACKEND;
    uint64_t ids[KERNELS];
    fmi_kernel_object *objects[KERNELS];
    const fm_kernel_info kernel = {.name = "k",
                                   .code = "x[global_id.x] = 1;",
                                   .params = &(fm_kernel_param){"x", FM_DTYPE_NONE, FM_ACCESS_WRITE},
                                   .param_count = 1};
    for (int i = 0; i < KERNELS; i++) {
        objects[i] = (fmi_kernel_object *)fmi_table_reserve(&f.kernels);
        assert_int_equal(fmi_kernel_create(&f.cache, &kernel, &objects[i]->kernel), FM_OK);
        ids[i] = fmi_table_publish(&f.kernels, &objects[i]->slot);
        assert_int_equal(fmi_warmup_ask(&f.warmup, objects[i], ids[i], F32), FM_OK);
        assert_int_equal(fmi_warmup_wait(&f.warmup, objects[i], ids[i], F32, 120000000000), FM_ERROR_BACKEND);
    }
    assert_int_equal(f.warmup.failure_count, FMI_WARMUP_MOST_FAILURES);
    assert_int_equal(fmi_warmup_poll(&f.warmup, objects[9], ids[9], F32), FM_ERROR_INVALID_ARGUMENT); // forgotten
    assert_int_equal(fmi_warmup_poll(&f.warmup, objects[10], ids[10], F32), FM_ERROR_BACKEND);
    f.backend.failure = FM_OK;
    for (int i = KERNELS - 1; i >= 0; i -= 2) { // tried again out of their order
        assert_int_equal(fmi_warmup_ask(&f.warmup, objects[i], ids[i], F32), FM_OK);
        assert_int_equal(fmi_warmup_wait(&f.warmup, objects[i], ids[i], F32, 120000000000), FM_OK);
    }
    tear_down(&f);
}

static void warmup_destroyed_kernel_lives_until_its_variant_is_made(void **state)
{
    (void)state;
    fixture f;
    set_up(&f, 1);
    f.backend.held = half_source;
    assert_int_equal(ask(&f, F16), FM_OK);
    assert_int_equal(ask(&f, F32), FM_OK);
    wait_until_inside(&f.backend);
    assert_int_equal(fmi_table_kill(&f.kernels, f.id), FM_OK);
    assert_int_equal(f.kernels.alive, 1);
    set_gate(&f.backend, NULL);
    while (atomic_load(&f.kernels.alive) > 0) {
        sched_yield();
    }
    tear_down(&f);
    assert_int_equal(f.backend.created, 2);
}

// Closing with one under way and more in the queue: the first is finished, the others are not begun.
static void *open_gate_when_stopped(void *argument)
{
    fixture *f = argument;
    bool stop = false;
    while (!stop) {
        pthread_mutex_lock(&f->warmup.lock);
        stop = f->warmup.stop;
        pthread_mutex_unlock(&f->warmup.lock);
        sched_yield();
    }
    set_gate(&f->backend, NULL);
    return NULL;
}

static void warmup_close_forgets_what_is_queued(void **state)
{
    (void)state;
    fixture f;
    set_up(&f, 1);
    f.backend.held = half_source;
    assert_int_equal(ask(&f, F16), FM_OK);
    wait_until_inside(&f.backend);
    assert_int_equal(ask(&f, F32), FM_OK);
    assert_int_equal(ask(&f, I32), FM_OK);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, open_gate_when_stopped, &f), 0);
    pthread_mutex_lock(&f.warmup.lock);
    f.warmup.stop =
        true; // as fmi_warmup_destroy does first; set here because the thread above must not look at what is gone
    pthread_mutex_unlock(&f.warmup.lock);
    pthread_join(thread, NULL);
    tear_down(&f);
    assert_int_equal(f.backend.created, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(warmup_makes_what_was_asked_for_once),
        cmocka_unit_test(warmup_holds_up_nobody_who_wants_something_else_key_4),
        cmocka_unit_test(warmup_failure_is_told_until_it_is_asked_for_again),
        cmocka_unit_test(warmup_keeps_few_failures),
        cmocka_unit_test(warmup_destroyed_kernel_lives_until_its_variant_is_made),
        cmocka_unit_test(warmup_close_forgets_what_is_queued),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

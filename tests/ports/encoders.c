// Ports from A. Yates's report on encoders shared by threads: four threads that multiply 1024 x 1024 matrices (THREAD-1), and four that
// keep one command list open for a millisecond (THREAD-2), where the source ends with "A command encoder is already encoding".
#include "ports.h"

#include <time.h>

enum { THREADS = 4, PRODUCTS = 20, SIDE = 1024, CPU_DRIVER_SIDE = 256, ROUNDS = 10 };
static const uint64_t open_ns = 1000000;

static void multiply_often(ct_worker *worker)
{
    const ports_product *p = worker->shared;
    fm_stream stream;
    CT_WORKER_OK(worker, fm_stream_create(worker->fixture->device, NULL, &stream));
    float *c = malloc((size_t)p->size * p->size * sizeof *c);
    CT_WORKER_TRUE(worker, c != NULL);
    for (uint32_t i = 0; i < ct_scaled(PRODUCTS); i++) {
        if (!ports_product_run(worker, p, stream, worker->index * 64 + i, c)) break;
    }
    free(c);
    CT_WORKER_OK(worker, fm_stream_destroy(worker->fixture->device, stream));
}

static void port_thread_1_four_threads_multiply_matrices_20_times(void **state)
{
    ct_fixture *f = *state;
    // A CPU driver would take minutes for the source's size, and what failed there was not the arithmetic.
    uint32_t side = f->properties.kind == FM_DEVICE_CPU ? CPU_DRIVER_SIDE : SIDE;
    ports_product p = ports_product_create(f, side, true);
    ct_run_workers(f, THREADS, multiply_often, &p);
}

// One list under four threads' hands.
typedef struct shared_list {
    fm_commands *commands;
    fm_kernel count;
    fm_buffer counter;
    _Atomic(uint32_t) recorded; // dispatches that were answered FM_OK
    _Atomic(uint32_t) refused;  // and FM_ERROR_BUSY
} shared_list;

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void use_for_a_millisecond(ct_worker *worker)
{
    shared_list *s = worker->shared;
    fm_binding binding = {.buffer = s->counter};
    fm_dispatch_info info = ct_dispatch_info(s->count, 1, &binding, 1, NULL, 0);
    uint64_t end = now_ns() + open_ns;
    for (uint32_t i = 0; now_ns() < end && i < 20000; i++) { // so that slow devices can run it, too
        fm_status status = fm_dispatch(s->commands, &info);
        CT_WORKER_TRUE(worker, status == FM_OK || status == FM_ERROR_BUSY);
        atomic_fetch_add(status == FM_OK ? &s->recorded : &s->refused, 1);
    }
}

static void port_thread_2_four_threads_use_one_list_for_a_millisecond(void **state)
{
    ct_fixture *f = *state;
    shared_list s = {.count = ct_kernel_count(f), .counter = ct_buffer(f, 4)};
    uint32_t before = 0, refused = 0;
    for (uint32_t round = 0; round < ct_scaled(ROUNDS); round++) {
        s.commands = ct_begin(f);
        ct_run_workers(f, THREADS, use_for_a_millisecond, &s);
        ct_finish(f, s.commands);
        assert_true(s.recorded > before); // someone got in
        before = s.recorded;
    }
    refused = s.refused;
    ct_expect_words(f, s.counter, 1, 64 * before); // what was answered FM_OK ran once, and nothing else did
    print_message("%u dispatches recorded, %u refused as busy\n", before, refused);
}

int ports_group_threads(void)
{
    const struct CMUnitTest tests[] = {
        CT_TEST(port_thread_1_four_threads_multiply_matrices_20_times),
        CT_TEST(port_thread_2_four_threads_use_one_list_for_a_millisecond),
    };
    return cmocka_run_group_tests_name("ports: A. Yates", tests, NULL, NULL);
}

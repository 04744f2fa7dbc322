// Ports from MLX #3462 (buffers destroyed in flight): its two smoke tests and the enlarged one, and its final cause, nine custom kernels
// whose temporaries nobody had registered (HOLD-1, HOLD-2). The source says of its own that they pass with and without the guard: nothing
// in them looked at values. Here every list's output is compared, so memory that went to somebody else shows.
#include "ports.h"

enum { ELEMENTS = 4096, SAMPLE = 64, NINE = 9, NINE_ROUNDS = 2000, NINE_WORDS = 256 };

// --- 16 threads x 8 products, each waited for -----------------------------------------------------------------------

static void multiply_eight_times(ct_worker *worker)
{
    const ports_product *p = worker->shared;
    fm_stream stream;
    CT_WORKER_OK(worker, fm_stream_create(worker->fixture->device, NULL, &stream));
    float *c = malloc((size_t)p->size * p->size * sizeof *c);
    CT_WORKER_TRUE(worker, c != NULL);
    for (uint32_t i = 0; i < ct_scaled(8); i++) {
        if (!ports_product_run(worker, p, stream, worker->index * 64 + i, c)) break;
    }
    free(c);
    CT_WORKER_OK(worker, fm_stream_destroy(worker->fixture->device, stream));
}

static void port_hold_1_sixteen_threads_wait_for_8_products(void **state)
{
    ct_fixture *f = *state;
    ports_product p = ports_product_create(f, 128, false);
    ct_run_workers(f, 16, multiply_eight_times, &p);
}

// --- a custom kernel with three inputs, everything dropped at once ----------------------------------------------------

typedef struct dropped {
    fm_kernel kernel; // y = a * b + c + i
    uint32_t rounds;
} dropped;

typedef struct dropped_constants {
    uint32_t count;
    uint32_t value;
} dropped_constants;

// Every list's inputs hold other values than any other list's.
static uint32_t input_value(uint32_t thread, uint32_t round, uint32_t input)
{
    return (thread * 1024 + round) * 3 + input + 1;
}

static bool dispatch_and_drop(ct_worker *worker, fm_stream stream, uint32_t round, uint32_t *sample)
{
    const dropped *d = worker->shared;
    fm_device *device = worker->fixture->device;
    fm_buffer b[4];
    fm_commands *commands = NULL;
    fm_buffer_info info = {.size_bytes = ELEMENTS * sizeof(uint32_t), .flags = FM_BUFFER_UNINITIALIZED};
    bool good = ct_worker_check(worker, fm_commands_begin(device, NULL, &commands), FM_OK, "begin", __LINE__);
    for (uint32_t i = 0; i < 4 && good; i++) {
        good = ct_worker_check(worker, fm_buffer_create(device, &info, &b[i]), FM_OK, "create", __LINE__);
    }
    for (uint32_t i = 0; i < 3 && good; i++) {
        fm_status status = fm_fill(commands, b[i], 0, FM_WHOLE_SIZE, input_value(worker->index, round, i));
        good = ct_worker_check(worker, status, FM_OK, "fill", __LINE__);
    }
    if (!good) return false;
    dropped_constants constants = {ELEMENTS, round};
    fm_dispatch_info dispatch =
        ct_dispatch_info(d->kernel, ELEMENTS / 64,
                         CT_BINDINGS({.buffer = b[0]}, {.buffer = b[1]}, {.buffer = b[2]}, {.buffer = b[3]}),
                         &constants, sizeof constants);
    uint64_t offset = (uint64_t)(round * 37 % (ELEMENTS - SAMPLE)) * 4;
    good = ct_worker_check(worker, fm_dispatch(commands, &dispatch), FM_OK, "dispatch", __LINE__) &&
           ct_worker_check(worker, fm_read(commands, b[3], offset, SAMPLE * 4, sample), FM_OK, "read", __LINE__);
    for (uint32_t i = 0; i < 3 && good; i++) { // the inputs while it is recorded, the output when it is committed
        good = ct_worker_check(worker, fm_buffer_destroy(device, b[i]), FM_OK, "destroy", __LINE__);
    }
    fm_commit_info commit = {.stream = stream};
    return good && ct_worker_check(worker, fm_commit(&commands, &commit, NULL), FM_OK, "commit", __LINE__) &&
           ct_worker_check(worker, fm_buffer_destroy(device, b[3]), FM_OK, "destroy", __LINE__);
}

static bool samples_are_right(uint32_t thread, uint32_t rounds, const uint32_t *samples)
{
    for (uint32_t r = 0; r < rounds; r++) {
        uint32_t a = input_value(thread, r, 0), b = input_value(thread, r, 1), c = input_value(thread, r, 2);
        for (uint32_t e = 0; e < SAMPLE; e++) {
            if (samples[r * SAMPLE + e] != a * b + c + r * 37 % (ELEMENTS - SAMPLE) + e) return false;
        }
    }
    return true;
}

static void dispatch_and_drop_often(ct_worker *worker)
{
    const dropped *d = worker->shared;
    fm_device *device = worker->fixture->device;
    fm_stream stream;
    CT_WORKER_OK(worker, fm_stream_create(device, NULL, &stream));
    uint32_t *samples = malloc((size_t)d->rounds * SAMPLE * sizeof *samples);
    CT_WORKER_TRUE(worker, samples != NULL);
    memset(samples, CT_POISON, (size_t)d->rounds * SAMPLE * sizeof *samples);
    bool good = true;
    for (uint32_t i = 0; i < d->rounds && good; i++) {
        good = dispatch_and_drop(worker, stream, i, samples + (size_t)i * SAMPLE);
    }
    if (!good) return; // lists in flight may still write the samples: they stay
    fm_commands *commands = NULL;
    fm_point last;
    CT_WORKER_OK(worker, fm_commands_begin(device, NULL, &commands));
    CT_WORKER_OK(worker, fm_commit(&commands, &(fm_commit_info){.stream = stream}, &last));
    CT_WORKER_OK(worker, fm_point_wait(device, last, 4 * CT_TIMEOUT_NS)); // the one wait of the thread
    bool right = samples_are_right(worker->index, d->rounds, samples);
    free(samples);
    CT_WORKER_TRUE(worker, right);
    CT_WORKER_OK(worker, fm_stream_destroy(device, stream));
}

static void drop(ct_fixture *f, uint32_t threads, uint32_t rounds)
{
    dropped d = {.rounds = ct_scaled(rounds)};
    d.kernel = ct_kernel(f, "uint i = global_id.x; if (i < count) y[i] = a[i] * b[i] + c[i] + i;",
                         CT_PARAMS({"a", FM_DTYPE_U32, FM_ACCESS_READ}, {"b", FM_DTYPE_U32, FM_ACCESS_READ},
                                   {"c", FM_DTYPE_U32, FM_ACCESS_READ}, {"y", FM_DTYPE_U32, FM_ACCESS_WRITE}),
                         CT_CONSTANTS({"count", FM_DTYPE_U32}, {"value", FM_DTYPE_U32}));
    ct_run_workers(f, threads, dispatch_and_drop_often, &d);
    ct_wait_idle(f);
    CT_OK(fm_device_trim(f->device, NULL));        // idle recorders keep a piece of staging memory each
    assert_int_equal(ct_stats(f).bytes_in_use, 0); // and nothing was forgotten
}

static void port_hold_1_32_threads_dispatch_and_drop_64_custom_kernels(void **state)
{
    drop(*state, 32, 64);
}

static void port_hold_1_64_threads_dispatch_and_drop_256_custom_kernels_of_three_inputs(void **state)
{
    drop(*state, 64, 256);
}

// --- nine kernels, a temporary each, 2,000 times, equal to a reference -------------------------------------------------

typedef struct nine {
    fm_kernel kernels[NINE]; // y = (2 k + 3) x + value + k
} nine;

static uint32_t nine_reference(uint32_t x, uint32_t value)
{
    for (uint32_t k = 0; k < NINE; k++) x = (2 * k + 3) * x + value + k;
    return x;
}

// The chain of one round: every kernel writes a temporary that is dropped as soon as the next has been recorded.
static bool record_nine(ct_worker *worker, fm_commands *commands, uint32_t round, uint32_t *out)
{
    const nine *n = worker->shared;
    fm_device *device = worker->fixture->device;
    fm_buffer_info info = {.size_bytes = NINE_WORDS * sizeof(uint32_t), .flags = FM_BUFFER_UNINITIALIZED};
    fm_buffer x, y;
    bool good = ct_worker_check(worker, fm_buffer_create(device, &info, &x), FM_OK, "create", __LINE__) &&
                ct_worker_check(worker, fm_fill(commands, x, 0, FM_WHOLE_SIZE, round), FM_OK, "fill", __LINE__);
    for (uint32_t k = 0; k < NINE && good; k++) {
        dropped_constants constants = {NINE_WORDS, worker->index};
        good = ct_worker_check(worker, fm_buffer_create(device, &info, &y), FM_OK, "create", __LINE__);
        fm_dispatch_info dispatch =
            ct_dispatch_info(n->kernels[k], NINE_WORDS / 64, CT_BINDINGS({.buffer = x}, {.buffer = y}), &constants,
                             sizeof constants);
        good = good && ct_worker_check(worker, fm_dispatch(commands, &dispatch), FM_OK, "dispatch", __LINE__) &&
               ct_worker_check(worker, fm_buffer_destroy(device, x), FM_OK, "destroy", __LINE__);
        x = y;
    }
    return good &&
           ct_worker_check(worker, fm_read(commands, x, (NINE_WORDS - 4) * 4, 16, out), FM_OK, "read", __LINE__) &&
           ct_worker_check(worker, fm_buffer_destroy(device, x), FM_OK, "destroy", __LINE__);
}

static void run_nine(ct_worker *worker)
{
    fm_device *device = worker->fixture->device;
    enum { IN_FLIGHT = 4 };
    uint32_t out[IN_FLIGHT][4];
    fm_point points[IN_FLIGHT] = {{{0}, 0}};
    fm_stream stream;
    CT_WORKER_OK(worker, fm_stream_create(device, NULL, &stream));
    uint32_t rounds = ct_scaled(NINE_ROUNDS);
    for (uint32_t i = 0; i < rounds + IN_FLIGHT; i++) {
        uint32_t *mine = out[i % IN_FLIGHT];
        if (i >= IN_FLIGHT) {
            CT_WORKER_OK(worker, fm_point_wait(device, points[i % IN_FLIGHT], CT_TIMEOUT_NS));
            uint32_t expected = nine_reference(i - IN_FLIGHT, worker->index);
            for (uint32_t e = 0; e < 4; e++) CT_WORKER_TRUE(worker, mine[e] == expected);
        }
        if (i >= rounds) continue;
        fm_commands *commands = NULL;
        CT_WORKER_OK(worker, fm_commands_begin(device, NULL, &commands));
        memset(mine, CT_POISON, sizeof out[0]);
        if (!record_nine(worker, commands, i, mine)) return;
        CT_WORKER_OK(worker, fm_commit(&commands, &(fm_commit_info){.stream = stream}, &points[i % IN_FLIGHT]));
    }
    CT_WORKER_OK(worker, fm_stream_destroy(device, stream));
}

static void port_hold_2_nine_threads_run_nine_kernels_2000_times_equal_to_a_reference(void **state)
{
    ct_fixture *f = *state;
    nine n;
    for (uint32_t k = 0; k < NINE; k++) {
        char body[96];
        snprintf(body, sizeof body, "uint i = global_id.x; if (i < count) y[i] = %uu * x[i] + value + %uu;", 2 * k + 3,
                 k);
        n.kernels[k] =
            ct_kernel(f, body, CT_PARAMS({"x", FM_DTYPE_U32, FM_ACCESS_READ}, {"y", FM_DTYPE_U32, FM_ACCESS_WRITE}),
                      CT_CONSTANTS({"count", FM_DTYPE_U32}, {"value", FM_DTYPE_U32}));
    }
    ct_run_workers(f, NINE, run_nine, &n);
    ct_wait_idle(f);
    CT_OK(fm_device_trim(f->device, NULL)); // idle recorders keep a piece of staging memory each
    assert_int_equal(ct_stats(f).bytes_in_use, 0);
}

int ports_group_lifetime(void)
{
    const struct CMUnitTest tests[] = {
        CT_TEST(port_hold_1_sixteen_threads_wait_for_8_products),
        CT_TEST(port_hold_1_32_threads_dispatch_and_drop_64_custom_kernels),
        CT_TEST(port_hold_1_64_threads_dispatch_and_drop_256_custom_kernels_of_three_inputs),
        CT_TEST(port_hold_2_nine_threads_run_nine_kernels_2000_times_equal_to_a_reference),
    };
    return cmocka_run_group_tests_name("ports: MLX #3462", tests, NULL, NULL);
}

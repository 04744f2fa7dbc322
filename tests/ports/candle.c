// Ports from candle #3595 (concurrent CPU readback): its three readback sites, each from eight threads at once (READ-1 … READ-7).
// The source's own tests fail on every thread within a few iterations when a reader waits for "the last in flight".
#include "ports.h"

enum { THREADS = 8, FULL_SIDE = 64, FULL_ROUNDS = 100, QUANT_SIDE = 256, QUANT_ROUNDS = 25, BLOCK = 32 };

typedef struct kernels {
    fm_kernel full;       // x = value
    fm_kernel affine;     // y = 2 x + 1
    fm_kernel pattern;    // x = something of index and value
    fm_kernel quantise;   // blocks of 32: int8 and one scale
    fm_kernel dequantise; // back
    fm_stream stream;     // null: a stream a thread
} kernels;

typedef struct full_constants {
    uint32_t count;
    float value;
} full_constants;

static bool run(ct_worker *worker, fm_commands *commands, fm_kernel kernel, uint32_t count, float value,
                const fm_binding *bindings, uint32_t binding_count)
{
    full_constants constants = {count, value};
    fm_dispatch_info info =
        ct_dispatch_info(kernel, (count + 63) / 64, bindings, binding_count, &constants, sizeof constants);
    return ct_worker_check(worker, fm_dispatch(commands, &info), FM_OK, "fm_dispatch", __LINE__);
}

static fm_kernel create_kernel(ct_fixture *f, const char *body, const fm_kernel_param *params, uint32_t count)
{
    return ct_kernel(f, body, params, count, CT_CONSTANTS({"count", FM_DTYPE_U32}, {"value", FM_DTYPE_F32}));
}

static bool take_stream(ct_worker *worker, fm_stream *out)
{
    const kernels *k = worker->shared;
    *out = k->stream;
    return k->stream.id != 0 || ct_worker_check(worker, fm_stream_create(worker->fixture->device, NULL, out), FM_OK,
                                                "fm_stream_create", __LINE__);
}

// full(v, 64 x 64), 2 x + 1, to_cpu: the last lists of all threads are in flight together, each reader must get its own.
static void read_affine(ct_worker *worker)
{
    const kernels *k = worker->shared;
    fm_device *device = worker->fixture->device;
    enum { COUNT = FULL_SIDE * FULL_SIDE };
    float values[COUNT];
    fm_stream stream;
    if (!take_stream(worker, &stream)) return;
    for (uint32_t i = 0; i < ct_scaled(FULL_ROUNDS); i++) {
        float v = (float)(worker->index * FULL_ROUNDS + i);
        fm_buffer x, y;
        fm_commands *commands = NULL;
        CT_WORKER_OK(worker, fm_buffer_create(device, &(fm_buffer_info){.size_bytes = sizeof values}, &x));
        CT_WORKER_OK(worker, fm_buffer_create(device, &(fm_buffer_info){.size_bytes = sizeof values}, &y));
        CT_WORKER_OK(worker, fm_commands_begin(device, NULL, &commands));
        if (!run(worker, commands, k->full, COUNT, v, CT_BINDINGS({.buffer = x})) ||
            !run(worker, commands, k->affine, COUNT, v, CT_BINDINGS({.buffer = x}, {.buffer = y}))) {
            return;
        }
        CT_WORKER_OK(worker, fm_commit(&commands, &(fm_commit_info){.stream = stream}, NULL));
        memset(values, CT_POISON, sizeof values);
        CT_WORKER_OK(worker, fm_buffer_read(device, stream, y, 0, sizeof values, values, CT_TIMEOUT_NS));
        for (uint32_t e = 0; e < COUNT; e++) CT_WORKER_TRUE(worker, values[e] == 2.0f * v + 1.0f);
        CT_WORKER_OK(worker, fm_buffer_destroy(device, x));
        CT_WORKER_OK(worker, fm_buffer_destroy(device, y));
    }
}

static kernels affine_kernels(ct_fixture *f)
{
    return (kernels){
        .full = create_kernel(f, "uint i = global_id.x; if (i < count) x[i] = value;",
                              CT_PARAMS({"x", FM_DTYPE_F32, FM_ACCESS_WRITE})),
        .affine = create_kernel(f, "uint i = global_id.x; if (i < count) y[i] = 2.0 * x[i] + 1.0;",
                                CT_PARAMS({"x", FM_DTYPE_F32, FM_ACCESS_READ}, {"y", FM_DTYPE_F32, FM_ACCESS_WRITE})),
    };
}

static void port_read_1_eight_threads_read_100_affine_tensors_on_own_streams(void **state)
{
    ct_fixture *f = *state;
    kernels k = affine_kernels(f);
    ct_run_workers(f, THREADS, read_affine, &k);
}

// As in the source: one shared queue for all threads.
static void port_read_1_eight_threads_read_100_affine_tensors_on_one_stream(void **state)
{
    ct_fixture *f = *state;
    kernels k = affine_kernels(f);
    k.stream = f->stream;
    ct_run_workers(f, THREADS, read_affine, &k);
}

// A tensor on the device: bytes in blocks of 32 with a scale each.
typedef struct quantised {
    int8_t bytes[QUANT_SIDE * QUANT_SIDE];
    float scales[QUANT_SIDE * QUANT_SIDE / BLOCK];
} quantised;

// One pass: pattern, quantise; then QMetalStorage::data, the quantised bytes as they lie on the device.
static bool quantise(ct_worker *worker, fm_stream stream, float seed, quantised *out, float *back)
{
    const kernels *k = worker->shared;
    fm_device *device = worker->fixture->device;
    enum { COUNT = QUANT_SIDE * QUANT_SIDE };
    const uint64_t sizes[] = {COUNT * sizeof(float), sizeof out->bytes, sizeof out->scales, COUNT * sizeof(float)};
    fm_buffer b[4];
    bool good = true;
    for (uint32_t i = 0; i < 4; i++) {
        fm_buffer_info info = {.size_bytes = sizes[i]};
        good = good && ct_worker_check(worker, fm_buffer_create(device, &info, &b[i]), FM_OK, "create", __LINE__);
    }
    fm_commands *commands = NULL;
    good = good && ct_worker_check(worker, fm_commands_begin(device, NULL, &commands), FM_OK, "begin", __LINE__);
    good = good && run(worker, commands, k->pattern, COUNT, seed, CT_BINDINGS({.buffer = b[0]})) &&
           run(worker, commands, k->quantise, COUNT / BLOCK, seed,
               CT_BINDINGS({.buffer = b[0]}, {.buffer = b[1]}, {.buffer = b[2]})) &&
           run(worker, commands, k->dequantise, COUNT, seed,
               CT_BINDINGS({.buffer = b[1]}, {.buffer = b[2]}, {.buffer = b[3]}));
    fm_commit_info info = {.stream = stream};
    good = good && ct_worker_check(worker, fm_commit(&commands, &info, NULL), FM_OK, "commit", __LINE__);
    void *const to[] = {out->bytes, out->scales, back};
    for (uint32_t i = 0; i < 3 && good; i++) {
        memset(to[i], CT_POISON, (size_t)sizes[i + 1]);
        fm_status status = fm_buffer_read(device, stream, b[i + 1], 0, sizes[i + 1], to[i], CT_TIMEOUT_NS);
        good = ct_worker_check(worker, status, FM_OK, "read", __LINE__);
    }
    for (uint32_t i = 0; i < 4 && good; i++) {
        good = ct_worker_check(worker, fm_buffer_destroy(device, b[i]), FM_OK, "destroy", __LINE__);
    }
    return good;
}

static float pattern_value(uint32_t index, float seed)
{
    uint32_t h = (index + (uint32_t)seed) * 2654435761u;
    return (float)((int32_t)((h >> 12) & 2047u) - 1024) * 0.125f;
}

// Equal twice would also be two times the same rubbish: every value must come back within half a step.
static bool is_near(const quantised *q, const float *back, float seed)
{
    for (uint32_t i = 0; i < QUANT_SIDE * QUANT_SIDE; i++) {
        float scale = q->scales[i / BLOCK];
        float error = back[i] - pattern_value(i, seed);
        if (!(scale > 0.0f && scale < 2.0f && error <= scale * 0.51f && error >= -scale * 0.51f)) return false;
    }
    return true;
}

static void quantise_twice(ct_worker *worker)
{
    fm_stream stream;
    if (!take_stream(worker, &stream)) return;
    quantised *q = malloc(2 * sizeof *q);
    float *back = malloc(QUANT_SIDE * QUANT_SIDE * sizeof *back);
    bool good = q && back;
    for (uint32_t i = 0; i < ct_scaled(QUANT_ROUNDS) && good; i++) {
        float seed = (float)(worker->index * 1000 + i);
        good = quantise(worker, stream, seed, &q[0], back) &&
               ct_worker_true(worker, is_near(&q[0], back, seed), "the first pass is near its input", __LINE__) &&
               quantise(worker, stream, seed, &q[1], back) &&
               ct_worker_true(worker, memcmp(&q[0], &q[1], sizeof q[0]) == 0, "both passes are equal", __LINE__) &&
               ct_worker_true(worker, is_near(&q[1], back, seed), "the second pass is near its input", __LINE__);
    }
    free(back);
    free(q);
    (void)ct_worker_true(worker, good, "no failure", __LINE__);
}

static void port_read_6_eight_threads_quantise_25_tensors_twice_to_equal_bytes(void **state)
{
    ct_fixture *f = *state;
    if (!(f->properties.dtype_mask & (1u << FM_DTYPE_I8))) {
        print_message("this device has no 8-bit elements\n");
        skip();
    }
    kernels k = {
        .pattern = create_kernel(f,
                                 "uint i = global_id.x; if (i < count) { uint h = (i + uint(value)) * 2654435761u; "
                                 "x[i] = float(int((h >> 12) & 2047u) - 1024) * 0.125; }",
                                 CT_PARAMS({"x", FM_DTYPE_F32, FM_ACCESS_WRITE})),
        .quantise = create_kernel(f,
                                  "uint block = global_id.x; if (block < count) { float most = 0.0;\n"
                                  "for (uint i = 0u; i < 32u; i++) most = max(most, abs(x[block * 32u + i]));\n"
                                  "float scale = max(most, 0.0001) / 127.0; scales[block] = scale;\n"
                                  "for (uint i = 0u; i < 32u; i++) q[block * 32u + i] = int(floor(x[block * 32u + i] / "
                                  "scale + 0.5)); }",
                                  CT_PARAMS({"x", FM_DTYPE_F32, FM_ACCESS_READ}, {"q", FM_DTYPE_I8, FM_ACCESS_WRITE},
                                            {"scales", FM_DTYPE_F32, FM_ACCESS_WRITE})),
        .dequantise =
            create_kernel(f, "uint i = global_id.x; if (i < count) y[i] = float(q[i]) * scales[i / 32u];",
                          CT_PARAMS({"q", FM_DTYPE_I8, FM_ACCESS_READ}, {"scales", FM_DTYPE_F32, FM_ACCESS_READ},
                                    {"y", FM_DTYPE_F32, FM_ACCESS_WRITE})),
    };
    ct_run_workers(f, THREADS, quantise_twice, &k);
}

int ports_group_readback(void)
{
    const struct CMUnitTest tests[] = {
        CT_TEST(port_read_1_eight_threads_read_100_affine_tensors_on_own_streams),
        CT_TEST(port_read_1_eight_threads_read_100_affine_tensors_on_one_stream),
        CT_TEST(port_read_6_eight_threads_quantise_25_tensors_twice_to_equal_bytes),
    };
    return cmocka_run_group_tests_name("ports: candle #3595", tests, NULL, NULL);
}

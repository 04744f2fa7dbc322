// Suite compute: what the kernel library's matrix products reach. c = a b with square f32 matrices; the tiled products beside the
// naive one, which is the floor of the same run. Each result is checked against double precision before anything is timed.
// A sample is one list of some products, committed and waited for: its time is the device's, not the library's.
#include "library.h"
#include "suite.h"
#include "watch.h"

#include <fermata/fermata.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { SAMPLES = 7, CHECKED = 200, MOST_PRODUCTS = 50 };

static const uint64_t TIMEOUT_NS = UINT64_C(300000000000);
static const double SAMPLE_NS = 200e6; // about what one sample should take

static const library_id tiled_ids[] = {LIBRARY_MATMUL_64, LIBRARY_MATMUL_128};

typedef struct compute_side {
    fm_device *device;
    fm_device_properties properties;
    fm_stream stream;
    fm_kernel kernels[LIBRARY_COUNT]; // of the products alone
    uint32_t size;                    // rows and columns of each matrix
    fm_buffer a, b, c;
} compute_side;

static bool good(fm_status status)
{
    if (status != FM_OK) {
        fprintf(stderr, "fermata-bench: %s\n", fm_last_error());
    }
    return status == FM_OK;
}

// Small numbers of both signs that no two neighbours share.
static float element(uint32_t row, uint32_t column, uint32_t seed)
{
    uint32_t hash = (row * 2654435761u) ^ (column * 2246822519u) ^ (seed * 3266489917u);
    hash = (hash ^ hash >> 15) * 2246822519u;
    return (float)(hash >> 16) / 32768.0f - 1.0f;
}

static bool create_matrix(compute_side *side, uint32_t seed, fm_buffer *out)
{
    uint64_t size_bytes = 4 * (uint64_t)side->size * side->size;
    float *values = malloc(size_bytes);
    if (!values) {
        fprintf(stderr, "fermata-bench: no memory for a matrix of %u x %u\n", side->size, side->size);
        return false;
    }
    for (uint32_t row = 0; row < side->size; row++) {
        for (uint32_t column = 0; column < side->size; column++) {
            values[(size_t)row * side->size + column] = element(row, column, seed);
        }
    }
    bool is_good = good(fm_buffer_create(side->device, &(fm_buffer_info){.size_bytes = size_bytes}, out)) &&
                   good(fm_buffer_write(side->device, side->stream, *out, 0, size_bytes, values, TIMEOUT_NS));
    free(values);
    return is_good;
}

// Runs `count` products in one list and stores how long it took.
static bool multiply(const compute_side *side, library_id id, uint32_t count, double *out_ns)
{
    fm_commands *commands = NULL;
    if (!good(fm_commands_begin(side->device, &(fm_commands_info){.label = library_name(id)}, &commands))) {
        return false;
    }
    const fm_binding bindings[] = {{.buffer = side->a, .dtype = FM_DTYPE_F32},
                                   {.buffer = side->b, .dtype = FM_DTYPE_F32},
                                   {.buffer = side->c, .dtype = FM_DTYPE_F32}};
    const library_matmul_constants constants = {side->size, side->size, side->size};
    fm_status status = FM_OK;
    for (uint32_t i = 0; i < count && status == FM_OK; i++) {
        status = library_dispatch(commands, id, side->kernels[id], bindings, &constants, side->size, side->size);
    }
    uint64_t begin = now_ns();
    fm_point done;
    if (status == FM_OK) {
        status = fm_commit(&commands, &(fm_commit_info){.stream = side->stream}, &done);
    }
    if (status == FM_OK) {
        status = fm_point_wait(side->device, done, TIMEOUT_NS);
    }
    *out_ns = (double)(now_ns() - begin);
    bool is_good = good(status);
    fm_commands_cancel(&commands);
    return is_good;
}

// Fills c with NaN, so that an element that nobody writes is found.
static bool poison(const compute_side *side)
{
    fm_commands *commands = NULL;
    fm_point done;
    bool is_good = good(fm_commands_begin(side->device, NULL, &commands)) &&
                   good(fm_fill(commands, side->c, 0, FM_WHOLE_SIZE, 0xFFFFFFFFu)) &&
                   good(fm_commit(&commands, &(fm_commit_info){.stream = side->stream}, &done)) &&
                   good(fm_point_wait(side->device, done, TIMEOUT_NS));
    fm_commands_cancel(&commands);
    return is_good;
}

// Compares elements all over c with sums in double precision.
static bool check(const compute_side *side, library_id id)
{
    uint32_t n = side->size;
    uint64_t size_bytes = 4 * (uint64_t)n * n;
    float *values = malloc(size_bytes);
    double unused;
    bool is_good = values && poison(side) && multiply(side, id, 1, &unused) &&
                   good(fm_buffer_read(side->device, side->stream, side->c, 0, size_bytes, values, TIMEOUT_NS));
    for (uint32_t i = 0; i < CHECKED && is_good; i++) {
        uint32_t row = (uint32_t)((uint64_t)i * (n - 1) / (CHECKED - 1));
        uint32_t column = (uint32_t)((uint64_t)i * 7919 % n);
        double sum = 0, magnitude = 0;
        for (uint32_t k = 0; k < n; k++) {
            double product = (double)element(row, k, 1) * (double)element(k, column, 2);
            sum += product;
            magnitude += fabs(product);
        }
        double got = (double)values[(size_t)row * n + column];
        is_good = fabs(got - sum) <= magnitude * 1e-5; // false for NaN
        if (!is_good) {
            fprintf(stderr, "fermata-bench: %s of %u: element (%u, %u) is %g, expected %g\n", library_name(id), n, row,
                    column, got, sum);
        }
    }
    free(values);
    return is_good;
}

// How many products make a sample of the wanted length.
static bool choose_count(const compute_side *side, library_id id, uint32_t *out)
{
    double ns;
    if (!multiply(side, id, 1, &ns)) {
        return false;
    }
    double wanted = SAMPLE_NS / ns;
    *out = wanted < 1 ? 1 : wanted > MOST_PRODUCTS ? MOST_PRODUCTS : (uint32_t)wanted;
    return true;
}

// GFLOP/s of two products, whose samples take turns, so that a busy machine slows both.
static bool measure(const compute_side *side, const library_id ids[2], spread out[2])
{
    double n = side->size, flops = 2 * n * n * n, ns;
    double samples[2][SAMPLES];
    uint32_t counts[2];
    if (!choose_count(side, ids[0], &counts[0]) || !choose_count(side, ids[1], &counts[1])) {
        return false;
    }
    for (uint32_t i = 0; i < SAMPLES; i++) {
        for (uint32_t k = 0; k < 2; k++) {
            if (!multiply(side, ids[k], counts[k], &ns)) {
                return false;
            }
            samples[k][i] = flops * counts[k] / ns;
        }
    }
    out[0] = spread_of(samples[0], SAMPLES);
    out[1] = spread_of(samples[1], SAMPLES);
    return true;
}

static bool measure_size(compute_side *side, uint32_t size, report *results)
{
    side->size = size;
    bool is_good =
        create_matrix(side, 1, &side->a) && create_matrix(side, 2, &side->b) && create_matrix(side, 3, &side->c);
    is_good = is_good && check(side, LIBRARY_MATMUL_NAIVE);
    for (size_t i = 0; i < sizeof tiled_ids / sizeof tiled_ids[0] && is_good; i++) {
        const library_id id = tiled_ids[i], ids[2] = {id, LIBRARY_MATMUL_NAIVE};
        spread speeds[2];
        is_good = check(side, id) && measure(side, ids, speeds);
        if (is_good) {
            char name[64];
            bool is_chosen = library_choose_matmul(&side->properties, size, size) == id;
            snprintf(name, sizeof name, "compute/%s/%u%s", library_name(id), size, is_chosen ? " (chosen)" : "");
            report_add(results, &(report_row){.name = name,
                                              .unit = "GFLOP/s",
                                              .value = speeds[0],
                                              .floor = speeds[1],
                                              .has_floor = true,
                                              .has_spread = true});
        }
    }
    fm_buffer_destroy(side->device, side->a);
    fm_buffer_destroy(side->device, side->b);
    fm_buffer_destroy(side->device, side->c);
    return is_good;
}

static bool open_kernels(compute_side *side)
{
    bool is_good = good(fm_device_get_properties(side->device, &side->properties)) &&
                   good(fm_stream_create(side->device, NULL, &side->stream)) &&
                   good(library_create(side->device, LIBRARY_MATMUL_NAIVE, &side->kernels[LIBRARY_MATMUL_NAIVE]));
    for (size_t i = 0; i < sizeof tiled_ids / sizeof tiled_ids[0] && is_good; i++) {
        is_good = good(library_create(side->device, tiled_ids[i], &side->kernels[tiled_ids[i]]));
    }
    return is_good;
}

bench_result suite_compute(const bench_options *options, report *results)
{
    compute_side side = {0};
    watch_suite("compute");
    fm_status status = fm_device_open(options->device, NULL, &side.device);
    if (!good(status)) {
        return status == FM_ERROR_NO_DEVICE ? BENCH_NO_DEVICE : BENCH_FAILED;
    }
    bool is_good = open_kernels(&side);
    if (is_good) {
        report_begin(results, "compute", side.properties.description);
        report_note("c = a b, square f32 matrices; the floor is one work-item an element, straight from memory");
        bool is_gpu =
            side.properties.kind == FM_DEVICE_DISCRETE_GPU || side.properties.kind == FM_DEVICE_INTEGRATED_GPU;
        const uint32_t usual[] = {512, 1024, 2048, 4096};
        uint32_t count = options->size_count ? options->size_count : is_gpu ? 4 : 1;
        for (uint32_t i = 0; i < count && is_good; i++) {
            is_good = measure_size(&side, options->size_count ? options->sizes[i] : usual[i], results);
        }
    }
    return good(fm_device_close(&side.device, TIMEOUT_NS)) && is_good ? BENCH_GOOD : BENCH_FAILED;
}

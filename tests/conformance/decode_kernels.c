// The decoder's own kernels (examples/decode) against references in double precision: every way to split them into work-items that some
// kind of device takes, on this one, for sizes that are no multiples of anything. Outputs are poisoned with NaN; no NaN compares as near.
#include "groups.h"
#include "kernels.h"
#include "support.h"

#include <math.h>

enum { MOST_ARRAYS = 8, POSITION = 3 };

typedef struct floats {
    uint32_t count;
    float *values; // owned
    fm_buffer buffer;
} floats;

static floats make(ct_fixture *f, ct_random *random, uint32_t count)
{
    floats a = {.count = count, .values = malloc(count * sizeof(float))};
    assert_non_null(a.values);
    for (uint32_t i = 0; i < count; i++) {
        a.values[i] = random ? (float)ct_random_below(random, 2001) / 500.0f - 2.0f : NAN;
    }
    a.buffer = ct_buffer_of(f, a.values, count * sizeof(float));
    return a;
}

static void run(ct_fixture *f, const kernels *k, kernel_id id, uint32_t rows, floats *const *arrays, uint32_t count,
                const void *constants, uint32_t constants_size_bytes)
{
    fm_binding bindings[MOST_ARRAYS];
    for (uint32_t i = 0; i < count; i++) bindings[i] = (fm_binding){.buffer = arrays[i]->buffer};
    fm_commands *commands = ct_begin(f);
    CT_OK(fm_dispatch(commands, &(fm_dispatch_info){.kernel = k->handles[id],
                                                    .group_count = {kernels_group_count(k, rows), 1, 1},
                                                    .bindings = bindings,
                                                    .binding_count = count,
                                                    .constants = constants,
                                                    .constants_size_bytes = constants_size_bytes}));
    ct_finish(f, commands);
    for (uint32_t i = 0; i < count; i++) {
        ct_read(f, arrays[i]->buffer, 0, arrays[i]->count * sizeof(float), arrays[i]->values);
    }
}

#define RUN(f, k, id, rows, constants, ...)                                                                            \
    run(f, k, id, rows, (floats *const[]){__VA_ARGS__}, sizeof((floats *const[]){__VA_ARGS__}) / sizeof(floats *),     \
        &(constants), sizeof(constants))

static void drop(ct_fixture *f, floats *const *arrays, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        CT_OK(fm_buffer_destroy(f->device, arrays[i]->buffer));
        free(arrays[i]->values);
    }
}

#define DROP(f, ...) drop(f, (floats *const[]){__VA_ARGS__}, sizeof((floats *const[]){__VA_ARGS__}) / sizeof(floats *))

static void expect_near(const char *what, uint32_t index, double got, double wanted)
{
    if (!(fabs(got - wanted) <= 1e-3 + 1e-5 * fabs(wanted))) {
        fail_msg("%s: element %u is %.9g, expected %.9g", what, index, got, wanted);
    }
}

// A row of `weight` times x, or times what RMSNorm makes of x.
static double product(const floats *weight, uint32_t row, const floats *x, const floats *norm)
{
    double sum = 0, squares = 0;
    for (uint32_t i = 0; i < x->count; i++) {
        double v = x->values[i];
        squares += v * v;
        sum += (double)weight->values[row * x->count + i] * (norm ? v * (double)norm->values[i] : v);
    }
    return norm ? sum / sqrt(squares / x->count + 1e-5) : sum;
}

static void test_matrices(ct_fixture *f, ct_random *random, const kernels *k, uint32_t rows, uint32_t columns)
{
    floats x = make(f, random, columns), norm = make(f, random, columns), weight = make(f, random, 2 * rows * columns);
    floats y = make(f, random, rows), logits = make(f, NULL, rows), hidden = make(f, NULL, rows);
    floats old = make(f, random, rows);
    memcpy(old.values, y.values, rows * sizeof(float));
    const matrix_constants one = {rows, columns}, two = {2 * rows, columns};
    RUN(f, k, KERNEL_RESIDUAL, rows, one, &x, &weight, &y);
    RUN(f, k, KERNEL_LOGITS, rows, one, &x, &norm, &weight, &logits);
    RUN(f, k, KERNEL_GATE, 2 * rows, two, &x, &norm, &weight, &hidden);
    for (uint32_t r = 0; r < rows; r++) {
        double gate = product(&weight, r, &x, &norm);
        expect_near("residual", r, (double)y.values[r], (double)old.values[r] + product(&weight, r, &x, NULL));
        expect_near("logits", r, (double)logits.values[r], gate);
        expect_near("gate", r, (double)hidden.values[r],
                    gate / (1 + exp(-gate)) * product(&weight, rows + r, &x, &norm));
    }
    DROP(f, &x, &norm, &weight, &y, &logits, &hidden, &old);
}

static void test_qkv(ct_fixture *f, ct_random *random, const kernels *k, uint32_t head_size, uint32_t heads,
                     uint32_t kv_heads)
{
    uint32_t dim = head_size * heads, kv_dim = head_size * kv_heads, rows = dim + 2 * kv_dim;
    uint32_t cached = (POSITION + 1) * kv_dim, angles = (POSITION + 1) * head_size / 2;
    floats x = make(f, random, dim), norm = make(f, random, dim), weight = make(f, random, rows * dim);
    floats c = make(f, random, angles), s = make(f, random, angles), query = make(f, NULL, dim);
    floats keys = make(f, NULL, cached), values = make(f, NULL, cached);
    const qkv_constants constants = {dim, kv_dim, head_size, POSITION, POSITION * kv_dim};
    RUN(f, k, KERNEL_QKV, rows, constants, &x, &norm, &weight, &c, &s, &query, &keys, &values);
    for (uint32_t r = 0; r < dim + kv_dim; r += 2) {
        double p = product(&weight, r, &x, &norm), q = product(&weight, r + 1, &x, &norm);
        const float *to = r < dim ? &query.values[r] : &keys.values[POSITION * kv_dim + r - dim];
        uint32_t angle = POSITION * head_size / 2 + r % head_size / 2;
        expect_near("rotated", r, (double)to[0], p * (double)c.values[angle] - q * (double)s.values[angle]);
        expect_near("rotated", r + 1, (double)to[1], p * (double)s.values[angle] + q * (double)c.values[angle]);
    }
    for (uint32_t r = 0; r < kv_dim; r++) {
        expect_near("values", r, (double)values.values[POSITION * kv_dim + r],
                    product(&weight, dim + kv_dim + r, &x, &norm));
    }
    for (uint32_t i = 0; i < POSITION * kv_dim; i++) assert_true(isnan(keys.values[i]) && isnan(values.values[i]));
    DROP(f, &x, &norm, &weight, &c, &s, &query, &keys, &values);
}

static void every_tiling_of_the_decoder_matches_the_reference(void **state)
{
    ct_fixture *f = *state;
    ct_random random = {31};
    static const fm_device_kind kinds[] = {FM_DEVICE_DISCRETE_GPU, FM_DEVICE_INTEGRATED_GPU, FM_DEVICE_CPU,
                                           FM_DEVICE_HOST};
    static const uint32_t shapes[][2] = {{1, 1}, {2, 2}, {67, 33}, {130, 70}, {9, 259}};
    static const uint32_t heads[][3] = {{2, 1, 1}, {6, 3, 1}, {10, 4, 2}, {14, 5, 5}}; // size, heads, key/value heads
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0] * 2; i++) {
        fm_device_properties other = f->properties;
        other.kind = kinds[i / 2];
        kernels k;
        CT_OK(kernels_create(f->device, kernels_choose_tiling(&other, i % 2 == 0), false, &k));
        for (size_t j = 0; j < sizeof shapes / sizeof shapes[0]; j++) {
            uint32_t columns = shapes[j][1] + (k.tiling.pairs ? shapes[j][1] % 2 : 0);
            test_matrices(f, &random, &k, shapes[j][0], columns);
        }
        for (size_t j = 0; j < sizeof heads / sizeof heads[0]; j++) {
            test_qkv(f, &random, &k, heads[j][0], heads[j][1], heads[j][2]);
        }
        kernels_destroy(f->device, &k);
    }
}

int ct_group_decode_kernels(void)
{
    const struct CMUnitTest tests[] = {CT_TEST(every_tiling_of_the_decoder_matches_the_reference)};
    return cmocka_run_group_tests_name("decode_kernels", tests, NULL, NULL);
}

// The kernel library (examples/common) against references in double precision: random shapes that are no multiples of a tile, outputs
// poisoned with NaN, every open dtype that the device has. A comparison that meets a NaN fails.
#include "library.h"
#include "groups.h"
#include "numbers.h"

#include <math.h>

enum { MOST_BINDINGS = 4 };

// A binding's content, as doubles that its dtype can hold.
typedef struct array {
    fm_dtype dtype;
    uint32_t count;
    double *values;
} array;

static double random_value(ct_random *random)
{
    return (double)ct_random_below(random, 2001) / 500.0 - 2.0;
}

// Random values, rounded to the dtype.
static array make_array(ct_random *random, fm_dtype dtype, uint32_t count)
{
    array a = {dtype, count, malloc((count + 1) * sizeof(double))};
    assert_non_null(a.values);
    for (uint32_t i = 0; i < count; i++) a.values[i] = numbers_round(dtype, random_value(random));
    return a;
}

static array make_output(fm_dtype dtype, uint32_t count)
{
    array a = {dtype, count, malloc((count + 1) * sizeof(double))};
    assert_non_null(a.values);
    for (uint32_t i = 0; i < count; i++) a.values[i] = (double)NAN;
    return a;
}

static fm_buffer upload(ct_fixture *f, const array *a)
{
    uint32_t size = numbers_size(a->dtype);
    uint8_t *bytes = malloc((size_t)a->count * size + 1);
    assert_non_null(bytes);
    for (uint32_t i = 0; i < a->count; i++) numbers_store(a->dtype, bytes + (size_t)i * size, a->values[i]);
    fm_buffer buffer = ct_buffer_of(f, bytes, (uint64_t)a->count * size);
    free(bytes);
    return buffer;
}

// Runs a kernel over arrays and takes all of them back.
static void run(ct_fixture *f, library_id id, array *const *arrays, uint32_t count, const void *constants, uint32_t x,
                uint32_t y)
{
    fm_kernel kernel;
    CT_OK(library_create(f->device, id, &kernel));
    fm_binding bindings[MOST_BINDINGS];
    for (uint32_t i = 0; i < count; i++) {
        bool pairs = id == LIBRARY_SCORES_PAIRS || id == LIBRARY_MIX_PAIRS; // whose dtypes are not the arrays'
        bindings[i] = (fm_binding){.buffer = upload(f, arrays[i]), .dtype = pairs ? FM_DTYPE_NONE : arrays[i]->dtype};
    }
    fm_commands *commands = ct_begin(f);
    CT_OK(library_dispatch(commands, id, kernel, bindings, constants, x, y));
    ct_finish(f, commands);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t size = numbers_size(arrays[i]->dtype);
        uint8_t *bytes = malloc((size_t)arrays[i]->count * size + 1);
        assert_non_null(bytes);
        ct_read(f, bindings[i].buffer, 0, (uint64_t)arrays[i]->count * size, bytes);
        for (uint32_t k = 0; k < arrays[i]->count; k++)
            arrays[i]->values[k] = numbers_load(arrays[i]->dtype, bytes + (size_t)k * size);
        free(bytes);
        CT_OK(fm_buffer_destroy(f->device, bindings[i].buffer));
    }
    CT_OK(fm_kernel_destroy(f->device, kernel));
}

#define ARRAYS(...) (array *const[]){__VA_ARGS__}, (uint32_t)(sizeof((array *const[]){__VA_ARGS__}) / sizeof(array *))

// `magnitude` is what rounding errors of the sum grow with.
static void expect_near(library_id id, const array *a, uint32_t index, double wanted, double magnitude)
{
    double allowed = 2e-5 * magnitude + numbers_step(a->dtype, wanted) + 1e-6;
    if (!(fabs(a->values[index] - wanted) <= allowed)) {
        fail_msg("%s: element %u of %u (%s) is %.9g, expected %.9g within %.3g", library_name(id), index, a->count,
                 numbers_name(a->dtype), a->values[index], wanted, allowed);
    }
}

static void drop(array *const *arrays, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) free(arrays[i]->values);
}

// The float dtypes of the device; calls `test` with each, a few random sizes each.
static void for_each_dtype(ct_fixture *f, void (*test)(ct_fixture *, ct_random *, fm_dtype, uint32_t))
{
    ct_random random = {21};
    for (uint32_t i = 0; i < NUMBERS_FLOATS; i++) {
        if (!(f->properties.dtype_mask >> numbers_floats[i] & 1)) continue;
        const uint32_t sizes[] = {1, 64, 63, 1 + ct_random_below(&random, 3000)};
        for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++) test(f, &random, numbers_floats[i], sizes[k]);
    }
}

static void test_elements(ct_fixture *f, ct_random *random, fm_dtype dtype, uint32_t count)
{
    array x = make_array(random, dtype, count), y = make_array(random, dtype, count), z = make_output(dtype, count);
    array old = make_array(random, dtype, count);
    memcpy(old.values, y.values, count * sizeof(double));
    run(f, LIBRARY_ADD, ARRAYS(&x, &y, &z), &count, count, 1);
    for (uint32_t i = 0; i < count; i++) expect_near(LIBRARY_ADD, &z, i, x.values[i] + y.values[i], 4);
    for (uint32_t i = 0; i < count; i++) z.values[i] = (double)NAN;
    run(f, LIBRARY_MULTIPLY, ARRAYS(&x, &y, &z), &count, count, 1);
    for (uint32_t i = 0; i < count; i++) expect_near(LIBRARY_MULTIPLY, &z, i, x.values[i] * y.values[i], 4);
    for (uint32_t i = 0; i < count; i++) z.values[i] = (double)NAN;
    run(f, LIBRARY_SILU, ARRAYS(&x, &z), &count, count, 1);
    for (uint32_t i = 0; i < count; i++) expect_near(LIBRARY_SILU, &z, i, x.values[i] / (1 + exp(-x.values[i])), 4);
    const library_axpy_constants axpy = {0.75f, count};
    run(f, LIBRARY_AXPY, ARRAYS(&x, &y), &axpy, count, 1);
    for (uint32_t i = 0; i < count; i++) expect_near(LIBRARY_AXPY, &y, i, 0.75 * x.values[i] + old.values[i], 4);
    const library_fill_constants fill = {-1.625f, count};
    for (uint32_t i = 0; i < count; i++) z.values[i] = (double)NAN;
    run(f, LIBRARY_FILL, ARRAYS(&z), &fill, count, 1);
    for (uint32_t i = 0; i < count; i++) assert_true(z.values[i] == -1.625);
    drop(ARRAYS(&x, &y, &z, &old));
}

static void elementwise_kernels_match_the_reference(void **state)
{
    for_each_dtype(*state, test_elements);
}

static void test_rows(ct_fixture *f, ct_random *random, fm_dtype dtype, uint32_t columns)
{
    uint32_t count = columns * (1 + ct_random_below(random, 9)) + ct_random_below(random, columns),
             rows = (count + columns - 1) / columns;
    array x = make_array(random, dtype, count), y = make_output(FM_DTYPE_F32, rows), z = make_output(dtype, count);
    array top = make_output(FM_DTYPE_F32, rows);
    const library_rows_constants constants = {columns, count};
    run(f, LIBRARY_SUM, ARRAYS(&x, &y), &constants, rows, 1);
    run(f, LIBRARY_MAX, ARRAYS(&x, &top), &constants, rows, 1);
    run(f, LIBRARY_SOFTMAX, ARRAYS(&x, &z), &constants, rows, 1);
    for (uint32_t r = 0; r < rows; r++) {
        uint32_t end = (r + 1) * columns < count ? (r + 1) * columns : count;
        double sum = 0, magnitude = 0, largest = -INFINITY, total = 0;
        for (uint32_t i = r * columns; i < end; i++) {
            sum += x.values[i];
            magnitude += fabs(x.values[i]);
            largest = fmax(largest, x.values[i]);
        }
        for (uint32_t i = r * columns; i < end; i++) total += exp(x.values[i] - largest);
        expect_near(LIBRARY_SUM, &y, r, sum, magnitude);
        assert_true(top.values[r] == largest);
        for (uint32_t i = r * columns; i < end; i++)
            expect_near(LIBRARY_SOFTMAX, &z, i, exp(x.values[i] - largest) / total, 1);
    }
    drop(ARRAYS(&x, &y, &z, &top));
}

static void row_kernels_match_the_reference(void **state)
{
    for_each_dtype(*state, test_rows);
}

static void test_rmsnorm(ct_fixture *f, ct_random *random, fm_dtype dtype, uint32_t columns)
{
    uint32_t rows = 1 + ct_random_below(random, 5);
    array x = make_array(random, dtype, columns * rows), w = make_array(random, dtype, columns);
    array y = make_output(dtype, columns * rows), v = make_output(FM_DTYPE_F32, rows);
    const library_rmsnorm_constants constants = {columns, 1e-5f};
    const library_matvec_constants sizes = {rows, columns};
    run(f, LIBRARY_RMSNORM, ARRAYS(&x, &w, &y), &constants, rows, 1);
    run(f, LIBRARY_MATVEC, ARRAYS(&x, &w, &v), &sizes, rows, 1);
    for (uint32_t r = 0; r < rows; r++) {
        double squares = 0, dot = 0, magnitude = 0;
        for (uint32_t i = 0; i < columns; i++) {
            double e = x.values[r * columns + i];
            squares += e * e;
            dot += e * w.values[i];
            magnitude += fabs(e * w.values[i]);
        }
        double scale = 1 / sqrt(squares / columns + 1e-5);
        for (uint32_t i = 0; i < columns; i++) {
            double wanted = x.values[r * columns + i] * scale * w.values[i];
            expect_near(LIBRARY_RMSNORM, &y, r * columns + i, wanted, fabs(wanted));
        }
        expect_near(LIBRARY_MATVEC, &v, r, dot, magnitude);
    }
    drop(ARRAYS(&x, &w, &y, &v));
}

static void rmsnorm_and_matvec_match_the_reference(void **state)
{
    for_each_dtype(*state, test_rmsnorm);
}

static void test_matmul(ct_fixture *f, ct_random *random, fm_dtype dtype, library_id id, const uint32_t *shape)
{
    uint32_t rows = shape[0], columns = shape[1], inner = shape[2];
    array a = make_array(random, dtype, rows * inner), b = make_array(random, dtype, inner * columns);
    array c = make_output(dtype, rows * columns);
    const library_matmul_constants constants = {rows, columns, inner};
    run(f, id, ARRAYS(&a, &b, &c), &constants, columns, rows);
    for (uint32_t r = 0; r < rows; r++) {
        for (uint32_t q = 0; q < columns; q++) {
            double sum = 0, magnitude = 0;
            for (uint32_t k = 0; k < inner; k++) {
                sum += a.values[r * inner + k] * b.values[k * columns + q];
                magnitude += fabs(a.values[r * inner + k] * b.values[k * columns + q]);
            }
            expect_near(id, &c, r * columns + q, sum, magnitude);
        }
    }
    drop(ARRAYS(&a, &b, &c));
}

static void matmul_of_ragged_shapes_matches_the_reference(void **state)
{
    ct_fixture *f = *state;
    ct_random random = {22};
    static const uint32_t shapes[][3] = {{1, 1, 1},   {64, 64, 16}, {65, 63, 17}, {128, 128, 8},
                                         {1, 200, 9}, {150, 1, 33}, {129, 130, 7}};
    for (library_id id = LIBRARY_MATMUL_NAIVE; id <= LIBRARY_MATMUL_128; id = (library_id)(id + 1)) {
        for (uint32_t i = 0; i < NUMBERS_FLOATS; i++) {
            if (!(f->properties.dtype_mask >> numbers_floats[i] & 1)) continue;
            for (size_t k = 0; k < sizeof shapes / sizeof shapes[0]; k++)
                test_matmul(f, &random, numbers_floats[i], id, shapes[k]);
            const uint32_t any[3] = {1 + ct_random_below(&random, 200), 1 + ct_random_below(&random, 200),
                                     1 + ct_random_below(&random, 100)};
            test_matmul(f, &random, numbers_floats[i], id, any);
        }
    }
}

static void rope_turns_pairs_by_their_position(void **state)
{
    ct_fixture *f = *state;
    ct_random random = {23};
    const uint32_t heads = 3, size = 10, positions = 7, first = 4;
    array x = make_array(&random, FM_DTYPE_F32, heads * size * positions);
    array c = make_array(&random, FM_DTYPE_F32, (first + positions) * size / 2),
          s = make_array(&random, FM_DTYPE_F32, c.count);
    array y = make_output(FM_DTYPE_F32, x.count);
    memcpy(y.values, x.values, x.count * sizeof(double));
    const library_rope_constants constants = {heads, size, first, x.count / 2};
    run(f, LIBRARY_ROPE, ARRAYS(&y, &c, &s), &constants, x.count / 2, 1);
    for (uint32_t i = 0; i < x.count; i += 2) {
        uint32_t angle = (first + i / (heads * size)) * (size / 2) + i % size / 2;
        double p = x.values[i], q = x.values[i + 1];
        expect_near(LIBRARY_ROPE, &y, i, p * c.values[angle] - q * s.values[angle], 8);
        expect_near(LIBRARY_ROPE, &y, i + 1, p * s.values[angle] + q * c.values[angle], 8);
    }
    drop(ARRAYS(&x, &c, &s, &y));
}

// What comes back differs by at most half a step of its block.
static void test_quant(ct_fixture *f, ct_random *random, fm_dtype scale_dtype, uint32_t count)
{
    if (!(f->properties.dtype_mask >> FM_DTYPE_I8 & 1)) return;
    uint32_t blocks = (count + 31) / 32;
    array x = make_array(random, FM_DTYPE_F32, count), y = make_output(FM_DTYPE_F32, count);
    for (uint32_t i = 0; i < count && i < 32; i++) x.values[i] = blocks > 1 ? 0 : x.values[i]; // a block of zeros
    array q8 = make_array(random, FM_DTYPE_I8, count), s8 = make_output(scale_dtype, blocks);
    array q4 = make_array(random, FM_DTYPE_U8, blocks * 16), s4 = make_output(scale_dtype, blocks);
    run(f, LIBRARY_QUANTISE_Q8_0, ARRAYS(&x, &q8, &s8), &count, blocks, 1);
    run(f, LIBRARY_QUANTISE_Q4_0, ARRAYS(&x, &q4, &s4), &count, blocks, 1);
    for (uint32_t b = 0; b < blocks; b++) {
        double top = 0;
        for (uint32_t i = 32 * b; i < 32 * b + 32 && i < count; i++)
            top = fabs(x.values[i]) > fabs(top) ? x.values[i] : top;
        expect_near(LIBRARY_QUANTISE_Q8_0, &s8, b, fabs(top) / 127, 0);
        expect_near(LIBRARY_QUANTISE_Q4_0, &s4, b, top / -8, 0);
    }
    run(f, LIBRARY_DEQUANTISE_Q8_0, ARRAYS(&q8, &s8, &y), &count, count, 1);
    for (uint32_t i = 0; i < count; i++) {
        expect_near(LIBRARY_DEQUANTISE_Q8_0, &y, i, q8.values[i] * s8.values[i / 32], 1);
        double step = fabs(s8.values[i / 32]), lost = 127 * numbers_step(scale_dtype, step);
        assert_true(fabs(y.values[i] - x.values[i]) <= 0.501 * step + lost);
        y.values[i] = (double)NAN;
    }
    run(f, LIBRARY_DEQUANTISE_Q4_0, ARRAYS(&q4, &s4, &y), &count, count, 1);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t pair = (uint32_t)q4.values[i / 32 * 16 + i % 16];
        double q = (double)(i % 32 < 16 ? pair & 15 : pair >> 4) - 8;
        expect_near(LIBRARY_DEQUANTISE_Q4_0, &y, i, q * s4.values[i / 32], 1);
        double step = fabs(s4.values[i / 32]), lost = 8 * numbers_step(scale_dtype, step);
        double most = q == 7 ? 1.001 : 0.501; // the steps end one short of the largest magnitude's opposite
        assert_true(fabs(y.values[i] - x.values[i]) <= most * step + lost);
    }
    drop(ARRAYS(&x, &y, &q8, &s8, &q4, &s4));
}

static void quantised_blocks_come_back_within_half_a_step(void **state)
{
    for_each_dtype(*state, test_quant);
}

// One query over a cache of `count` positions, in double precision.
static void attend(const array *query, const double *keys, const double *values, const library_attention_constants *c,
                   double *out)
{
    for (uint32_t h = 0; h < c->head_count; h++) {
        uint32_t group = h / (c->head_count / c->kv_head_count);
        double total = 0;
        for (uint32_t e = 0; e < c->head_size; e++) out[h * c->head_size + e] = 0;
        for (uint32_t t = 0; t < c->count; t++) {
            const double *key = keys + (size_t)(t * c->kv_head_count + group) * c->head_size;
            const double *value = values + (size_t)(t * c->kv_head_count + group) * c->head_size;
            double dot = 0;
            for (uint32_t e = 0; e < c->head_size; e++) dot += query->values[h * c->head_size + e] * key[e];
            double weight = exp(dot / sqrt(c->head_size));
            total += weight;
            for (uint32_t e = 0; e < c->head_size; e++) out[h * c->head_size + e] += weight * value[e];
        }
        for (uint32_t e = 0; e < c->head_size; e++) out[h * c->head_size + e] /= total;
    }
}

static void test_attention(ct_fixture *f, ct_random *random, const library_attention_constants *c)
{
    uint32_t width = c->head_count * c->head_size, cached = c->count * c->kv_head_count * c->head_size;
    uint32_t parts = c->head_count * ((c->head_size + 3) / 4);
    array query = make_array(random, FM_DTYPE_F32, width), scores = make_output(FM_DTYPE_F32, c->head_count * c->count);
    array keys = make_array(random, FM_DTYPE_F32, cached), values = make_array(random, FM_DTYPE_F32, cached);
    array mixed = make_output(FM_DTYPE_F32, width), wanted = make_output(FM_DTYPE_F32, width);
    run(f, LIBRARY_SCORES, ARRAYS(&query, &keys, &scores), c, c->count, c->head_count);
    run(f, LIBRARY_MIX, ARRAYS(&scores, &values, &mixed), c, parts, 1);
    attend(&query, keys.values, values.values, c, wanted.values);
    for (uint32_t i = 0; i < width; i++) expect_near(LIBRARY_MIX, &mixed, i, wanted.values[i], 4);
    if (f->properties.dtype_mask >> FM_DTYPE_U64 & 1) {
        for (uint32_t i = 0; i < scores.count; i++) scores.values[i] = (double)NAN;
        for (uint32_t i = 0; i < width; i++) mixed.values[i] = (double)NAN;
        run(f, LIBRARY_SCORES_PAIRS, ARRAYS(&query, &keys, &scores), c, c->count, c->head_count);
        run(f, LIBRARY_MIX_PAIRS, ARRAYS(&scores, &values, &mixed), c, c->head_count * ((c->head_size + 7) / 8), 1);
        for (uint32_t i = 0; i < width; i++) expect_near(LIBRARY_MIX_PAIRS, &mixed, i, wanted.values[i], 4);
    }
    if (f->properties.dtype_mask >> FM_DTYPE_I8 & 1) {
        array k8 = make_array(random, FM_DTYPE_I8, cached), v8 = make_array(random, FM_DTYPE_I8, cached);
        array ks = make_output(FM_DTYPE_F32, c->count * c->kv_head_count), vs = make_output(FM_DTYPE_F32, ks.count);
        const uint32_t row = c->kv_head_count * c->head_size;
        for (uint32_t t = 0; t < c->count; t++) {
            const library_quantise_heads_constants place = {c->head_size, c->kv_head_count, t};
            array from = {FM_DTYPE_F32, row, keys.values + (size_t)t * row};
            run(f, LIBRARY_QUANTISE_HEADS, ARRAYS(&from, &k8, &ks), &place, c->kv_head_count, 1);
            from.values = values.values + (size_t)t * row;
            run(f, LIBRARY_QUANTISE_HEADS, ARRAYS(&from, &v8, &vs), &place, c->kv_head_count, 1);
        }
        for (uint32_t i = 0; i < cached; i++) {
            double k = k8.values[i] * ks.values[i / c->head_size], v = v8.values[i] * vs.values[i / c->head_size];
            assert_true(fabs(k - keys.values[i]) <= 0.501 * ks.values[i / c->head_size]);
            assert_true(fabs(v - values.values[i]) <= 0.501 * vs.values[i / c->head_size]);
            keys.values[i] = k;
            values.values[i] = v;
        }
        for (uint32_t i = 0; i < scores.count; i++) scores.values[i] = (double)NAN;
        for (uint32_t i = 0; i < width; i++) mixed.values[i] = (double)NAN;
        run(f, LIBRARY_SCORES_Q8, ARRAYS(&query, &k8, &ks, &scores), c, c->count, c->head_count);
        run(f, LIBRARY_MIX_Q8, ARRAYS(&scores, &v8, &vs, &mixed), c, parts, 1);
        attend(&query, keys.values, values.values, c, wanted.values);
        for (uint32_t i = 0; i < width; i++) expect_near(LIBRARY_MIX_Q8, &mixed, i, wanted.values[i], 4);
        drop(ARRAYS(&k8, &v8, &ks, &vs));
    }
    drop(ARRAYS(&query, &scores, &keys, &values, &mixed, &wanted));
}

static void attention_matches_the_reference(void **state)
{
    ct_random random = {24};
    const library_attention_constants shapes[] = {{8, 4, 2, 33}, {2, 1, 1, 1},   {6, 3, 3, 70},
                                                  {32, 2, 1, 5}, {18, 2, 2, 64}, {4, 1, 1, 7}};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) test_attention(*state, &random, &shapes[i]);
}

int ct_group_library(void)
{
    const struct CMUnitTest tests[] = {
        CT_TEST(elementwise_kernels_match_the_reference), CT_TEST(row_kernels_match_the_reference),
        CT_TEST(rmsnorm_and_matvec_match_the_reference),  CT_TEST(matmul_of_ragged_shapes_matches_the_reference),
        CT_TEST(rope_turns_pairs_by_their_position),      CT_TEST(quantised_blocks_come_back_within_half_a_step),
        CT_TEST(attention_matches_the_reference),
    };
    return cmocka_run_group_tests_name("library", tests, NULL, NULL);
}

// Element types: conversions of the storage types, exhaustively for half, and kernels whose dtypes are chosen at each
// dispatch (KEY-1, KEY-5, KEY-6). A dtype that the device lacks must be refused with FM_ERROR_UNSUPPORTED.
#include "groups.h"
#include "numbers.h"

#include <math.h>

static bool has(const ct_fixture *f, fm_dtype dtype)
{
    return (f->properties.dtype_mask >> dtype & 1) != 0;
}

static float float_of_half(uint16_t half)
{
    int exponent = half >> 10 & 31;
    int fraction = half & 1023;
    double magnitude = exponent == 0 ? ldexp(fraction, -24) : ldexp(fraction + 1024, exponent - 25);
    if (exponent == 31) magnitude = fraction ? (double)NAN : (double)INFINITY;
    return (float)(half & 0x8000 ? -magnitude : magnitude);
}

// Rounds to nearest, ties to even. Written from the definition, not for speed.
static uint16_t half_of_float(float value)
{
    uint16_t sign = signbit(value) ? 0x8000 : 0;
    double magnitude = fabs((double)value);
    if (isnan(value)) return (uint16_t)(sign | 0x7E00);
    if (magnitude >= 65520.0) return (uint16_t)(sign | 0x7C00);
    int exponent = -14;
    if (magnitude >= ldexp(1, -14)) frexp(magnitude, &exponent), exponent--;
    double steps = nearbyint(ldexp(magnitude, 10 - exponent)); // the default rounding is to nearest even
    // A carry out of the fraction runs into the exponent, as it should.
    return (uint16_t)(sign | (uint16_t)(((exponent + 14) << 10) + (int)steps));
}

static bool is_half_nan(uint16_t half)
{
    return (half & 0x7C00) == 0x7C00 && (half & 0x03FF) != 0;
}

// y[i] = convert(x[i]) over `count` elements.
static void convert(ct_fixture *f, const char *expression, fm_dtype from, fm_dtype to, const void *in, void *out,
                    uint32_t count)
{
    char body[256];
    snprintf(body, sizeof body, "uint i = global_id.x; if (i < n) y[i] = %s;", expression);
    fm_kernel kernel = ct_kernel(f, body, CT_PARAMS({"x", from, FM_ACCESS_READ}, {"y", to, FM_ACCESS_WRITE}),
                                 CT_CONSTANTS({"n", FM_DTYPE_U32}));
    fm_buffer source = ct_buffer_of(f, in, (uint64_t)count * numbers_size(from));
    fm_buffer target = ct_buffer(f, (uint64_t)count * numbers_size(to));
    fm_commands *commands = ct_begin(f);
    CT_OK(fm_fill(commands, target, 0, FM_WHOLE_SIZE, 0xA5A5A5A5));
    fm_dispatch_info info = ct_dispatch_info(kernel, (count + 63) / 64,
                                             CT_BINDINGS({.buffer = source}, {.buffer = target}), &count, sizeof count);
    CT_OK(fm_dispatch(commands, &info));
    ct_finish(f, commands);
    ct_read(f, target, 0, (uint64_t)count * numbers_size(to), out);
    CT_OK(fm_buffer_destroy(f->device, source));
    CT_OK(fm_buffer_destroy(f->device, target));
    CT_OK(fm_kernel_destroy(f->device, kernel));
}

static void dtype_outside_the_mask_is_unsupported(void **state)
{
    ct_fixture *f = *state;
    for (fm_dtype dtype = FM_DTYPE_F32; dtype <= FM_DTYPE_F64; dtype = (fm_dtype)(dtype + 1)) {
        fm_kernel_param param = {"x", dtype, FM_ACCESS_READ_WRITE};
        fm_kernel_info info = {.name = "dtype", .code = "x[global_id.x] = x[0];", .params = &param, .param_count = 1};
        fm_kernel kernel = {UINT64_MAX};
        CT_STATUS(fm_kernel_create(f->device, &info, &kernel), has(f, dtype) ? FM_OK : FM_ERROR_UNSUPPORTED);
        assert_true((kernel.id != 0) == has(f, dtype));
    }
}

static void half_loads_are_exact(void **state)
{
    ct_fixture *f = *state;
    if (!has(f, FM_DTYPE_F16)) return;
    static uint16_t halves[65536];
    static float floats[65536];
    for (uint32_t i = 0; i < 65536; i++) halves[i] = (uint16_t)i;
    convert(f, "x[i]", FM_DTYPE_F16, FM_DTYPE_F32, halves, floats, 65536);
    for (uint32_t i = 0; i < 65536; i++) {
        float wanted = float_of_half((uint16_t)i);
        if (isnan(wanted) ? !isnan(floats[i]) : memcmp(&floats[i], &wanted, 4) != 0) {
            fail_msg("half 0x%04x reads as %.9g, expected %.9g", i, (double)floats[i], (double)wanted);
        }
    }
}

// Every half, both neighbours of every midpoint between two halves, and the midpoints, where ties go to even.
static void half_stores_round_to_nearest_even(void **state)
{
    ct_fixture *f = *state;
    if (!has(f, FM_DTYPE_F16)) return;
    enum { FINITE = 0x7C00, COUNT = 2 * 4 * FINITE + 10 };
    float *floats = malloc(COUNT * sizeof *floats);
    uint16_t *halves = malloc(COUNT * sizeof *halves);
    assert_true(floats && halves);
    uint32_t count = 0;
    for (uint16_t i = 0; i < FINITE; i++) {
        float low = float_of_half(i);
        float high = i + 1 == FINITE ? 65536.0f : float_of_half((uint16_t)(i + 1));
        float middle = (low + high) * 0.5f;
        const float four[4] = {low, nextafterf(middle, 0.0f), middle, nextafterf(middle, INFINITY)};
        for (uint32_t k = 0; k < 4; k++) floats[count++] = four[k];
        for (uint32_t k = 0; k < 4; k++) floats[count++] = -four[k];
    }
    const float more[10] = {INFINITY, -INFINITY, NAN, 65519.996f, 65520.0f, 1e30f, -1e30f, 1e-30f, 3.4e38f, -65536.0f};
    for (uint32_t k = 0; k < 10; k++) floats[count++] = more[k];
    static const char *const forms[] = {"x[i]", "y[i] = x[i]"}; // the second goes on with what was stored
    for (size_t k = 0; k < 2; k++) {
        convert(f, forms[k], FM_DTYPE_F32, FM_DTYPE_F16, floats, halves, count);
        for (uint32_t i = 0; i < count; i++) {
            uint16_t wanted = half_of_float(floats[i]);
            if (is_half_nan(wanted) ? !is_half_nan(halves[i]) : halves[i] != wanted) {
                fail_msg("%.9g is stored as half 0x%04x, expected 0x%04x", (double)floats[i], halves[i], wanted);
            }
        }
    }
    free(floats);
    free(halves);
}

static void byte_stores_keep_the_low_bits(void **state)
{
    ct_fixture *f = *state;
    enum { COUNT = 2001 };
    static int32_t values[COUNT];
    static int32_t back[COUNT];
    for (int32_t i = 0; i < COUNT; i++) values[i] = i * 7 - 7000;
    if (has(f, FM_DTYPE_I8)) {
        static int8_t bytes[COUNT];
        convert(f, "x[i]", FM_DTYPE_I32, FM_DTYPE_I8, values, bytes, COUNT);
        for (uint32_t i = 0; i < COUNT; i++) assert_int_equal((uint8_t)bytes[i], (uint8_t)values[i]);
        convert(f, "x[i]", FM_DTYPE_I8, FM_DTYPE_I32, bytes, back, COUNT);
        for (uint32_t i = 0; i < COUNT; i++) assert_int_equal(back[i], bytes[i]); // with its sign
    }
    if (has(f, FM_DTYPE_U8)) {
        static uint8_t bytes[COUNT];
        convert(f, "x[i] + 5u", FM_DTYPE_U32, FM_DTYPE_U8, values, bytes, COUNT);
        for (uint32_t i = 0; i < COUNT; i++) assert_int_equal(bytes[i], (uint8_t)(values[i] + 5));
        convert(f, "x[i]", FM_DTYPE_U8, FM_DTYPE_U32, bytes, back, COUNT);
        for (uint32_t i = 0; i < COUNT; i++) assert_int_equal(back[i], bytes[i]);
    }
}

static void words_are_stored_bit_by_bit(void **state)
{
    ct_fixture *f = *state;
    static uint32_t words[1000];
    static uint32_t back[1000];
    ct_random random = {8};
    for (uint32_t i = 0; i < 1000; i++) words[i] = (uint32_t)ct_random_next(&random);
    convert(f, "x[i]", FM_DTYPE_U32, FM_DTYPE_U32, words, back, 1000);
    assert_memory_equal(back, words, sizeof words);
    convert(f, "x[i]", FM_DTYPE_I32, FM_DTYPE_I32, words, back, 1000);
    assert_memory_equal(back, words, sizeof words);
    convert(f, "uint(x[i])", FM_DTYPE_I32, FM_DTYPE_U32, words, back, 1000);
    assert_memory_equal(back, words, sizeof words);
}

// Stores x[i] = i of each dtype at neighbouring elements: no store may touch its neighbour.
static void storage_types_leave_their_neighbours_alone(void **state)
{
    ct_fixture *f = *state;
    for (fm_dtype dtype = FM_DTYPE_F32; dtype <= FM_DTYPE_F64; dtype = (fm_dtype)(dtype + 1)) {
        if (!has(f, dtype)) continue;
        fm_kernel_param param = {"x", dtype, FM_ACCESS_READ_WRITE};
        bool is_float =
            dtype == FM_DTYPE_F32 || dtype == FM_DTYPE_F16 || dtype == FM_DTYPE_BF16 || dtype == FM_DTYPE_F64;
        bool is_unsigned = dtype == FM_DTYPE_U32 || dtype == FM_DTYPE_U8 || dtype == FM_DTYPE_U64;
        const char *body = is_float      ? "uint i = 3u * global_id.x + 1u; x[i] += 1.0f;"
                           : is_unsigned ? "uint i = 3u * global_id.x + 1u; x[i] += 1u;"
                                         : "uint i = 3u * global_id.x + 1u; x[i] += 1;";
        fm_kernel kernel = ct_kernel(f, body, &param, 1, NULL, 0);
        uint32_t size = numbers_size(dtype);
        uint8_t bytes[3 * 64 * 8];
        memset(bytes, 0, sizeof bytes);
        fm_buffer buffer = ct_buffer_of(f, bytes, 3 * 64 * size);
        fm_commands *commands = ct_begin(f);
        fm_dispatch_info info = ct_dispatch_info(kernel, 1, CT_BINDINGS({.buffer = buffer}), NULL, 0);
        CT_OK(fm_dispatch(commands, &info));
        ct_finish(f, commands);
        ct_read(f, buffer, 0, 3 * 64 * size, bytes);
        uint64_t one = 0;
        numbers_store(dtype, &one, 1);
        for (uint32_t i = 0; i < 3 * 64; i++) {
            uint64_t element = 0;
            memcpy(&element, bytes + (size_t)i * size, size);
            assert_int_equal(element, i % 3 == 1 ? one : 0);
        }
    }
}

// A buffer of 64 numbers from `first` on, as elements of `dtype`.
static fm_buffer numbers(ct_fixture *f, fm_dtype dtype, int32_t first)
{
    uint8_t bytes[64 * 8];
    for (int32_t i = 0; i < 64; i++) numbers_store(dtype, bytes + (size_t)i * numbers_size(dtype), first + i);
    return ct_buffer_of(f, bytes, 64 * (uint64_t)numbers_size(dtype));
}

static fm_kernel scale_kernel(ct_fixture *f)
{
    return ct_kernel(f, "uint i = global_id.x; y[i] = float(x[i]) * 2.0f + 1.0f;",
                     CT_PARAMS({"x", FM_DTYPE_NONE, FM_ACCESS_READ}, {"y", FM_DTYPE_F32, FM_ACCESS_WRITE}), NULL, 0);
}

// KEY-5: one name, one uncommitted list, and the dtypes change from dispatch to dispatch.
static void expect_trace(ct_fixture *f, const fm_dtype *dtypes, uint32_t count)
{
    fm_kernel kernel = scale_kernel(f);
    fm_buffer results[2 * FM_DTYPE_F64];
    fm_commands *commands = ct_begin(f);
    for (uint32_t i = 0; i < count; i++) {
        results[i] = ct_buffer(f, 256);
        fm_buffer source = numbers(f, dtypes[i], (int32_t)i);
        fm_dispatch_info info =
            ct_dispatch_info(kernel, 1, CT_BINDINGS({.buffer = source, .dtype = dtypes[i]}, {.buffer = results[i]}),
                             NULL, 0);
        CT_OK(fm_dispatch(commands, &info));
        CT_OK(fm_buffer_destroy(f->device, source));
    }
    CT_OK(fm_kernel_destroy(f->device, kernel)); // KEY-3: variants that are held live on
    ct_finish(f, commands);
    for (uint32_t i = 0; i < count; i++) {
        float floats[64];
        ct_read(f, results[i], 0, sizeof floats, floats);
        for (uint32_t k = 0; k < 64; k++) assert_true(floats[k] == 2.0f * (float)(i + k) + 1.0f);
    }
}

static void variants_of_half_half_then_float_give_right_values(void **state)
{
    ct_fixture *f = *state;
    fm_dtype narrow = has(f, FM_DTYPE_F16) ? FM_DTYPE_F16 : FM_DTYPE_I32;
    const fm_dtype trace[3] = {narrow, narrow, FM_DTYPE_F32};
    expect_trace(f, trace, 3);
}

static void variants_of_every_dtype_live_side_by_side(void **state)
{
    ct_fixture *f = *state;
    fm_dtype trace[2 * FM_DTYPE_F64];
    uint32_t count = 0;
    for (uint32_t round = 0; round < 2; round++) {
        for (fm_dtype dtype = FM_DTYPE_F32; dtype <= FM_DTYPE_F64; dtype = (fm_dtype)(dtype + 1)) {
            if (has(f, dtype)) trace[count++] = dtype;
        }
    }
    uint64_t before = ct_stats(f).kernels_compiled;
    expect_trace(f, trace, count);
    assert_int_equal(ct_stats(f).kernels_compiled - before, count / 2); // each once
}

static void variant_dtype_missing_or_wrong_is_invalid(void **state)
{
    ct_fixture *f = *state;
    fm_kernel kernel = scale_kernel(f);
    fm_buffer source = numbers(f, FM_DTYPE_F32, 0);
    fm_buffer target = ct_buffer(f, 256);
    fm_commands *commands = ct_begin(f);
    const fm_dtype wrong[][2] = {
        {FM_DTYPE_NONE, FM_DTYPE_NONE}, // the kernel left it open, so the binding must say
        {(fm_dtype)11, FM_DTYPE_NONE},
        {(fm_dtype)-1, FM_DTYPE_NONE},
        {FM_DTYPE_F32, FM_DTYPE_U32}, // y is float
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        fm_dispatch_info info = ct_dispatch_info(kernel, 1,
                                                 CT_BINDINGS({.buffer = source, .dtype = wrong[i][0]},
                                                             {.buffer = target, .dtype = wrong[i][1]}),
                                                 NULL, 0);
        CT_STATUS(fm_dispatch(commands, &info), FM_ERROR_INVALID_ARGUMENT);
    }
    for (fm_dtype dtype = FM_DTYPE_F16; dtype <= FM_DTYPE_F64; dtype = (fm_dtype)(dtype + 1)) {
        if (has(f, dtype)) continue;
        fm_dispatch_info info =
            ct_dispatch_info(kernel, 1, CT_BINDINGS({.buffer = source, .dtype = dtype}, {.buffer = target}), NULL, 0);
        CT_STATUS(fm_dispatch(commands, &info), FM_ERROR_UNSUPPORTED);
    }
    fm_dispatch_info info = ct_dispatch_info(kernel, 1,
                                             CT_BINDINGS({.buffer = source, .dtype = FM_DTYPE_F32},
                                                         {.buffer = target, .dtype = FM_DTYPE_F32}),
                                             NULL, 0);
    CT_OK(fm_dispatch(commands, &info));
    ct_finish(f, commands);
    float floats[64];
    ct_read(f, target, 0, sizeof floats, floats);
    for (uint32_t k = 0; k < 64; k++) assert_true(floats[k] == 2.0f * (float)k + 1.0f);
}

// A body that is no C for one dtype fails for that one alone, and the list is as before.
static void variant_that_does_not_compile_is_a_compile_error(void **state)
{
    ct_fixture *f = *state;
    fm_kernel kernel = ct_kernel(f, "uint i = global_id.x; x[i] = x[i] << 1;",
                                 CT_PARAMS({"x", FM_DTYPE_NONE, FM_ACCESS_READ_WRITE}), NULL, 0);
    fm_buffer buffer = numbers(f, FM_DTYPE_I32, 0);
    fm_commands *commands = ct_begin(f);
    fm_dispatch_info info =
        ct_dispatch_info(kernel, 1, CT_BINDINGS({.buffer = buffer, .dtype = FM_DTYPE_F32}), NULL, 0);
    CT_STATUS(fm_dispatch(commands, &info), FM_ERROR_COMPILE);
    info = ct_dispatch_info(kernel, 1, CT_BINDINGS({.buffer = buffer, .dtype = FM_DTYPE_I32}), NULL, 0);
    CT_OK(fm_dispatch(commands, &info));
    ct_finish(f, commands);
    int32_t words[64];
    ct_read(f, buffer, 0, sizeof words, words);
    for (int32_t i = 0; i < 64; i++) assert_int_equal(words[i], 2 * i);
}

int ct_group_dtypes(void)
{
    const struct CMUnitTest tests[] = {
        CT_TEST(dtype_outside_the_mask_is_unsupported),
        CT_TEST(half_loads_are_exact),
        CT_TEST(half_stores_round_to_nearest_even),
        CT_TEST(byte_stores_keep_the_low_bits),
        CT_TEST(words_are_stored_bit_by_bit),
        CT_TEST(storage_types_leave_their_neighbours_alone),
        CT_TEST(variants_of_half_half_then_float_give_right_values),
        CT_TEST(variants_of_every_dtype_live_side_by_side),
        CT_TEST(variant_dtype_missing_or_wrong_is_invalid),
        CT_TEST(variant_that_does_not_compile_is_a_compile_error),
    };
    return cmocka_run_group_tests_name("dtypes", tests, NULL, NULL);
}

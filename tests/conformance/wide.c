// bfloat16 and 64-bit integers: loads and stores, and every operation that the language has on long and ulong, against C.
#include "groups.h"
#include "numbers.h"

#include <math.h>

enum { SAMPLES = 256 };

static bool has(const ct_fixture *f, fm_dtype dtype)
{
    return (f->properties.dtype_mask >> dtype & 1) != 0;
}

// y[i] = expression of x[i]; elements of both as they lie in memory.
static void convert(ct_fixture *f, const char *expression, fm_dtype from, fm_dtype to, const void *in, void *out,
                    uint32_t count)
{
    char body[256];
    snprintf(body, sizeof body, "uint i = global_id.x; if (i < n) y[i] = %s;", expression);
    fm_kernel kernel = ct_kernel(f, body, CT_PARAMS({"x", from, FM_ACCESS_READ}, {"y", to, FM_ACCESS_WRITE}),
                                 CT_CONSTANTS({"n", FM_DTYPE_U32}));
    uint64_t in_bytes = (uint64_t)count * numbers_size(from), out_bytes = (uint64_t)count * numbers_size(to);
    fm_buffer source = ct_buffer_of(f, in, in_bytes), target = ct_buffer(f, out_bytes);
    fm_commands *commands = ct_begin(f);
    CT_OK(fm_fill(commands, target, 0, FM_WHOLE_SIZE, 0xA5A5A5A5));
    fm_dispatch_info info = ct_dispatch_info(kernel, (count + 63) / 64,
                                             CT_BINDINGS({.buffer = source}, {.buffer = target}), &count, sizeof count);
    CT_OK(fm_dispatch(commands, &info));
    ct_finish(f, commands);
    ct_read(f, target, 0, out_bytes, out);
    CT_OK(fm_buffer_destroy(f->device, source));
    CT_OK(fm_buffer_destroy(f->device, target));
    CT_OK(fm_kernel_destroy(f->device, kernel));
}

static void bfloat_loads_are_exact(void **state)
{
    ct_fixture *f = *state;
    if (!has(f, FM_DTYPE_BF16)) skip();
    static uint16_t brains[65536];
    static uint32_t words[65536];
    for (uint32_t i = 0; i < 65536; i++) brains[i] = (uint16_t)i;
    convert(f, "as_uint(x[i])", FM_DTYPE_BF16, FM_DTYPE_U32, brains, words, 65536);
    for (uint32_t i = 0; i < 65536; i++) {
        bool is_nan = (i & 0x7F80) == 0x7F80 && (i & 0x7F);
        if (is_nan ? (words[i] & 0x7F800000) != 0x7F800000 || !(words[i] & 0x7FFFFF) : words[i] != i << 16) {
            fail_msg("bfloat16 0x%04x reads as 0x%08x", i, words[i]);
        }
    }
}

// Each bfloat16, both neighbours of every midpoint, and the midpoints, where ties go to even. Normal numbers, infinities and NaNs.
static void bfloat_stores_round_to_nearest_even(void **state)
{
    ct_fixture *f = *state;
    if (!has(f, FM_DTYPE_BF16)) skip();
    enum { FIRST = 0x0080, END = 0x7F80, COUNT = (END - FIRST) * 8 + 6 };
    float *floats = malloc(COUNT * sizeof *floats);
    uint16_t *brains = malloc(COUNT * sizeof *brains);
    assert_true(floats && brains);
    uint32_t count = 0;
    for (uint32_t i = FIRST; i < END; i++) {
        for (uint32_t k = 0; k < 8; k++) {
            const uint32_t low[4] = {0, 0x7FFF, 0x8000, 0x8001};
            uint32_t bits = i << 16 | low[k / 2] | (k % 2 ? 0x80000000u : 0);
            memcpy(&floats[count++], &bits, 4);
        }
    }
    const float more[6] = {INFINITY, -INFINITY, NAN, 0.0f, -0.0f, 3.4e38f};
    for (uint32_t k = 0; k < 6; k++) floats[count++] = more[k];
    convert(f, "x[i]", FM_DTYPE_F32, FM_DTYPE_BF16, floats, brains, count);
    for (uint32_t i = 0; i < count; i++) {
        uint16_t wanted;
        numbers_store(FM_DTYPE_BF16, &wanted, (double)floats[i]);
        bool is_nan = isnan(floats[i]);
        if (is_nan ? (brains[i] & 0x7F80) != 0x7F80 || !(brains[i] & 0x7F) : brains[i] != wanted) {
            fail_msg("%.9g is stored as bfloat16 0x%04x, expected 0x%04x", (double)floats[i], brains[i], wanted);
        }
    }
    free(floats);
    free(brains);
}

// One expression of a, b (from x) on 64 bits, and what C makes of it.
typedef struct wide_case {
    const char *expression;
    uint64_t (*reference)(uint64_t a, uint64_t b);
} wide_case;

#define SIGNED(name, expression)                                                                                       \
    static uint64_t name(uint64_t ua, uint64_t ub)                                                                     \
    {                                                                                                                  \
        int64_t a = (int64_t)ua, b = (int64_t)ub;                                                                      \
        (void)a, (void)b;                                                                                              \
        return (uint64_t)(expression);                                                                                 \
    }
#define UNSIGNED(name, expression)                                                                                     \
    static uint64_t name(uint64_t a, uint64_t b)                                                                       \
    {                                                                                                                  \
        (void)a, (void)b;                                                                                              \
        return (uint64_t)(expression);                                                                                 \
    }
SIGNED(long_sum, ua + ub * 3 - 7)
SIGNED(long_divide, a / (b | 1))
SIGNED(long_rest, (a < 0 ? ~a : a) % ((b < 0 ? ~b : b) | 1)) // of negative numbers, % may give anything
SIGNED(long_abs, a < 0 ? 0 - ua : ua)
SIGNED(long_min, a < b ? a : b)
SIGNED(long_max, a > b ? a : b)
SIGNED(long_clamp, a<-100 ? -100 : a> 1000 ? 1000 : a)
SIGNED(long_shift, ((ua << 5) ^ (uint64_t)(a >> 7)))
SIGNED(long_bits, (a & b) | ~a)
SIGNED(long_less, a < b ? 1 : 0)
SIGNED(long_int, (int32_t)(uint32_t)ua)
SIGNED(long_float, (int64_t)((float)(a >> 40) * 0.5f))
UNSIGNED(ulong_product, a *b + 12345u)
UNSIGNED(ulong_divide, a / (b | 1) + a % (b | 1))
UNSIGNED(ulong_min, a < b ? a : b)
UNSIGNED(ulong_max, a > b ? a : b)
UNSIGNED(ulong_abs, a)
UNSIGNED(ulong_shift, a << 33 | b >> 31)
UNSIGNED(ulong_uint, (uint32_t)a)
UNSIGNED(ulong_float, (uint64_t)((float)(a >> 41) * 2.0f))
UNSIGNED(ulong_loop, a + 0 + 1 + 2 + 3)

static const wide_case long_cases[] = {
    {"a + b * 3 - 7", long_sum},
    {"a / (b | long(1))", long_divide},
    {"(a < long(0) ? ~a : a) % ((b < long(0) ? ~b : b) | long(1))", long_rest},
    {"abs(a)", long_abs},
    {"min(a, b)", long_min},
    {"max(a, b)", long_max},
    {"clamp(a, long(-100), long(1000))", long_clamp},
    {"(a << 5) ^ (a >> 7)", long_shift},
    {"(a & b) | ~a", long_bits},
    {"a < b ? long(1) : long(0)", long_less},
    {"long(int(a))", long_int},
    {"long(float(a >> 40) * 0.5f)", long_float},
};

static const wide_case ulong_cases[] = {
    {"a * b + ulong(12345u)", ulong_product},
    {"a / (b | ulong(1u)) + a % (b | ulong(1u))", ulong_divide},
    {"min(a, b)", ulong_min},
    {"max(a, b)", ulong_max},
    {"abs(a)", ulong_abs},
    {"a << 33 | b >> 31", ulong_shift},
    {"ulong(uint(a))", ulong_uint},
    {"ulong(float(a >> 41) * 2.0f)", ulong_float},
    {"sum", ulong_loop},
};

static void run_cases(ct_fixture *f, const wide_case *cases, size_t count, const char *type, fm_dtype dtype)
{
    static uint64_t in[2 * SAMPLES], out[SAMPLES];
    ct_random random = {31};
    for (uint32_t i = 0; i < 2 * SAMPLES; i++) {
        uint64_t value = ct_random_next(&random);
        in[i] = value >> ct_random_below(&random, 64);
        if (i % 5 == 0) in[i] = 0 - in[i];
    }
    const uint32_t n = SAMPLES;
    for (size_t k = 0; k < count; k++) {
        char body[512];
        snprintf(body, sizeof body,
                 "uint i = global_id.x; %s a = x[2u * i], b = x[2u * i + 1u]; %s sum = a;\n"
                 "for (int k = 0; k < 4; k++) sum += %s(k);\nif (i < n) y[i] = %s;",
                 type, type, type, cases[k].expression);
        fm_kernel kernel = ct_kernel(f, body, CT_PARAMS({"x", dtype, FM_ACCESS_READ}, {"y", dtype, FM_ACCESS_WRITE}),
                                     CT_CONSTANTS({"n", FM_DTYPE_U32}));
        fm_buffer source = ct_buffer_of(f, in, sizeof in), target = ct_buffer(f, sizeof out);
        fm_commands *commands = ct_begin(f);
        CT_OK(fm_fill(commands, target, 0, FM_WHOLE_SIZE, 0xA5A5A5A5));
        fm_dispatch_info info =
            ct_dispatch_info(kernel, SAMPLES / 64, CT_BINDINGS({.buffer = source}, {.buffer = target}), &n, sizeof n);
        CT_OK(fm_dispatch(commands, &info));
        ct_finish(f, commands);
        ct_read(f, target, 0, sizeof out, out);
        for (uint32_t i = 0; i < SAMPLES; i++) {
            uint64_t wanted = cases[k].reference(in[2 * i], in[2 * i + 1]);
            if (out[i] != wanted) {
                fail_msg("%s on %s of (0x%llx, 0x%llx) is 0x%llx, expected 0x%llx", cases[k].expression, type,
                         (unsigned long long)in[2 * i], (unsigned long long)in[2 * i + 1], (unsigned long long)out[i],
                         (unsigned long long)wanted);
            }
        }
    }
}

static void long_operations_match_the_reference(void **state)
{
    ct_fixture *f = *state;
    if (!has(f, FM_DTYPE_I64)) skip();
    run_cases(f, long_cases, sizeof long_cases / sizeof long_cases[0], "long", FM_DTYPE_I64);
}

static void ulong_operations_match_the_reference(void **state)
{
    ct_fixture *f = *state;
    if (!has(f, FM_DTYPE_U64)) skip();
    run_cases(f, ulong_cases, sizeof ulong_cases / sizeof ulong_cases[0], "ulong", FM_DTYPE_U64);
}

// Variables of 64 bits need no binding of 64 bits; where the device lacks them the error says so.
static void long_variables_run_or_are_unsupported(void **state)
{
    ct_fixture *f = *state;
    const fm_kernel_info info = {
        .name = "wide",
        .code = "ulong v = double_it(ulong(global_id.x) << 31); y[global_id.x] = uint(v >> 32);",
        .header = "ulong double_it(ulong v) { return v + v; }",
        .params = &(const fm_kernel_param){"y", FM_DTYPE_U32, FM_ACCESS_WRITE},
        .param_count = 1,
    };
    fm_kernel kernel = {0};
    if (!has(f, FM_DTYPE_I64)) {
        CT_STATUS(fm_kernel_create(f->device, &info, &kernel), FM_ERROR_UNSUPPORTED);
        assert_non_null(strstr(fm_last_error(), "64-bit"));
        return;
    }
    CT_OK(fm_kernel_create(f->device, &info, &kernel));
    fm_buffer buffer = ct_buffer(f, 256);
    fm_commands *commands = ct_begin(f);
    fm_dispatch_info dispatch = ct_dispatch_info(kernel, 1, CT_BINDINGS({.buffer = buffer}), NULL, 0);
    CT_OK(fm_dispatch(commands, &dispatch));
    ct_finish(f, commands);
    uint32_t words[64];
    ct_read(f, buffer, 0, sizeof words, words);
    for (uint32_t i = 0; i < 64; i++) assert_int_equal(words[i], i);
}

// Constants of both sizes lie as in a C struct, also before what the library itself puts behind them.
static void long_constants_lie_as_in_a_struct(void **state)
{
    ct_fixture *f = *state;
    if (!has(f, FM_DTYPE_I64)) skip();
    const struct {
        uint32_t n;
        int64_t a;
        float b;
        uint64_t c;
        uint32_t d;
    } constants = {3, -5000000000ll, 2.5f, 0xFFFFFFFFFFFFFFF0u, 9};
    static const char body[] = "y[0] = a; y[1] = long(c); y[2] = long(n + d); y[3] = long(b * 2.0);\n"
                               "y[4] = long(group_count.x * 100u + group_id.x);";
    fm_kernel kernel = ct_kernel(f, body, CT_PARAMS({"y", FM_DTYPE_I64, FM_ACCESS_WRITE}),
                                 CT_CONSTANTS({"n", FM_DTYPE_U32}, {"a", FM_DTYPE_I64}, {"b", FM_DTYPE_F32},
                                              {"c", FM_DTYPE_U64}, {"d", FM_DTYPE_U32}));
    fm_buffer buffer = ct_buffer(f, 40);
    fm_dispatch_info info = ct_dispatch_info(kernel, 1, CT_BINDINGS({.buffer = buffer}), &constants, sizeof constants);
    fm_commands *commands = ct_begin(f);
    CT_OK(fm_dispatch(commands, &info));
    info.constants_size_bytes = 36;
    CT_STATUS(fm_dispatch(commands, &info), FM_ERROR_INVALID_ARGUMENT);
    ct_finish(f, commands);
    int64_t words[5];
    ct_read(f, buffer, 0, sizeof words, words);
    const int64_t wanted[5] = {-5000000000ll, -16, 12, 5, 100};
    assert_memory_equal(words, wanted, sizeof words);
}

// Shared arrays, specialisations, literals and tables of 64 bits.
static void long_values_stand_wherever_ints_do(void **state)
{
    ct_fixture *f = *state;
    if (!has(f, FM_DTYPE_I64)) skip();
    const fm_kernel_param param = {"y", FM_DTYPE_I64, FM_ACCESS_WRITE};
    const fm_kernel_shared shared[] = {{"s", FM_DTYPE_I64, 64}, {"t", FM_DTYPE_U64, 64}};
    const fm_kernel_special specials[] = {{"MINUS", FM_DTYPE_I64, -9007199254740992.0},
                                          {"LARGE", FM_DTYPE_U64, 9007199254740992.0}};
    fm_kernel_info info = {
        .name = "wide",
        .header = "const long TABLE[2] = {-1l, 0x7fffffffffffffffL};\n"
                  "const ulong TOP = 18446744073709551615ul;\n",
        .code = "uint i = local_id.x; s[i] = long(i) << 33; t[63u - i] = TOP - ulong(i); barrier();\n"
                "if (i == 0u) { y[0] = s[63]; y[1] = long(t[0]); y[2] = MINUS + 1l; y[3] = long(LARGE);\n"
                "y[4] = TABLE[i]; y[5] = TABLE[i + 1u]; y[6] = 1l << 62; y[7] = abs(-010l) + s[1]; }",
        .params = &param,
        .param_count = 1,
        .shared = shared,
        .shared_count = 2,
        .specials = specials,
        .special_count = 2};
    fm_kernel kernel = {0};
    CT_OK(fm_kernel_create(f->device, &info, &kernel));
    fm_buffer buffer = ct_buffer(f, 64);
    fm_dispatch_info dispatch = ct_dispatch_info(kernel, 1, CT_BINDINGS({.buffer = buffer}), NULL, 0);
    fm_commands *commands = ct_begin(f);
    CT_OK(fm_dispatch(commands, &dispatch));
    ct_finish(f, commands);
    int64_t words[8];
    ct_read(f, buffer, 0, sizeof words, words);
    const int64_t wanted[8] = {63ll << 33, -64,       -9007199254740991, 9007199254740992,
                               -1,         INT64_MAX, 1ll << 62,         8 + (1ll << 33)};
    assert_memory_equal(words, wanted, sizeof words);
}

// What no device is asked for says so.
static void storage_values_are_refused_by_name(void **state)
{
    ct_fixture *f = *state;
    if (!has(f, FM_DTYPE_I64) || !has(f, FM_DTYPE_BF16)) skip();
    const fm_kernel_param param = {"y", FM_DTYPE_U64, FM_ACCESS_READ_WRITE};
    fm_kernel_info info = {.name = "wide", .code = "y[0] = 1ul;", .params = &param, .param_count = 1};
    fm_kernel kernel = {0};
    const fm_kernel_shared brains = {"s", FM_DTYPE_BF16, 4};
    info.shared = &brains;
    info.shared_count = 1;
    CT_STATUS(fm_kernel_create(f->device, &info, &kernel), FM_ERROR_INVALID_ARGUMENT);
    assert_non_null(strstr(fm_last_error(), "shared array 's' must be FM_DTYPE_F32"));
    const fm_kernel_special bad[] = {{"V", FM_DTYPE_I64, 9007199254740994.0},
                                     {"V", FM_DTYPE_U64, -1},
                                     {"V", FM_DTYPE_I64, 0.5},
                                     {"V", FM_DTYPE_I64, (double)NAN},
                                     {"V", FM_DTYPE_BF16, 1}};
    info.shared_count = 0;
    info.shared = NULL;
    info.special_count = 1;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        info.specials = &bad[i];
        CT_STATUS(fm_kernel_create(f->device, &info, &kernel), FM_ERROR_INVALID_ARGUMENT);
    }
}

int ct_group_wide(void)
{
    const struct CMUnitTest tests[] = {
        CT_TEST(bfloat_loads_are_exact),
        CT_TEST(bfloat_stores_round_to_nearest_even),
        CT_TEST(long_operations_match_the_reference),
        CT_TEST(ulong_operations_match_the_reference),
        CT_TEST(long_variables_run_or_are_unsupported),
        CT_TEST(long_constants_lie_as_in_a_struct),
        CT_TEST(long_values_stand_wherever_ints_do),
        CT_TEST(storage_values_are_refused_by_name),
    };
    return cmocka_run_group_tests_name("wide", tests, NULL, NULL);
}

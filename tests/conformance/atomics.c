// Atomics of 64-bit integers and of floats, on elements of buffers and of shared arrays, where the device has them; else a refusal that names
// the feature. Those of 32-bit integers are in builtins.c.
#include "groups.h"
#include "support.h"

enum { GROUPS = 50, ITEMS = GROUPS * 64 };

// A kernel over x (atomics) and y (values that the atomics gave); s is a shared array. Null where the device lacks what it needs.
static fm_kernel make(ct_fixture *f, const char *body, fm_dtype dtype, const char *feature)
{
    const fm_kernel_param params[] = {{"x", dtype, FM_ACCESS_READ_WRITE}, {"y", dtype, FM_ACCESS_WRITE}};
    const fm_kernel_shared shared = {"s", dtype, 2};
    fm_kernel_info info = {
        .name = "atomic", .code = body, .params = params, .param_count = 2, .shared = &shared, .shared_count = 1};
    fm_kernel kernel = {0};
    fm_status status = fm_kernel_create(f->device, &info, &kernel);
    bool is_missing = status == FM_ERROR_UNSUPPORTED && f->properties.kind != FM_DEVICE_HOST; // the host device has all
    if (is_missing ? !strstr(fm_last_error(), feature) : status != FM_OK) {
        fail_msg("'%s' gave %s: %s", body, fm_status_name(status), fm_last_error());
    }
    return kernel;
}

// Runs it with x[0] = start; false where the device lacks it. `after`: x[0] and x[1]; `old`: y.
static bool run(ct_fixture *f, const char *body, fm_dtype dtype, const char *feature, uint64_t start, uint64_t after[2],
                void *old)
{
    uint32_t size = dtype == FM_DTYPE_F32 ? 4 : 8;
    if (!(f->properties.dtype_mask >> dtype & 1)) return false;
    fm_kernel kernel = make(f, body, dtype, feature);
    if (!kernel.id) return false;
    const uint64_t words[2] = {start, 0};
    fm_buffer x = ct_buffer_of(f, words, sizeof words), y = ct_buffer(f, (uint64_t)ITEMS * size);
    fm_commands *commands = ct_begin(f);
    fm_dispatch_info info = ct_dispatch_info(kernel, GROUPS, CT_BINDINGS({.buffer = x}, {.buffer = y}), NULL, 0);
    CT_OK(fm_dispatch(commands, &info));
    ct_finish(f, commands);
    ct_read(f, x, 0, 2 * sizeof *after, after);
    ct_read(f, y, 0, (uint64_t)ITEMS * size, old);
    CT_OK(fm_buffer_destroy(f->device, x));
    CT_OK(fm_buffer_destroy(f->device, y));
    CT_OK(fm_kernel_destroy(f->device, kernel));
    return true;
}

#define BUFFER_INT64 "shaderBufferInt64Atomics"
#define SHARED_INT64 "shaderSharedInt64Atomics"

static uint64_t old[ITEMS];

static void atomic_of_64_bits_carries_into_the_upper_half(void **state)
{
    uint64_t after[2];
    if (!run(*state, "y[global_id.x] = atomic_add(x[0], 0x100000001ul);", FM_DTYPE_U64, BUFFER_INT64, 0xFFFFFFFF, after,
             old))
        skip();
    assert_int_equal(after[0], 0xFFFFFFFF + UINT64_C(0x100000001) * ITEMS);
    static uint8_t taken[ITEMS];
    memset(taken, 0, sizeof taken);
    for (uint32_t i = 0; i < ITEMS; i++) {
        uint64_t step = (old[i] - 0xFFFFFFFF) / UINT64_C(0x100000001);
        assert_true(step < ITEMS && (old[i] - 0xFFFFFFFF) % UINT64_C(0x100000001) == 0);
        assert_int_equal(taken[step]++, 0); // each old value once
    }
}

static void atomic_of_64_bits_does_what_its_name_says(void **state)
{
    static const struct {
        const char *body;
        fm_dtype dtype;
        uint64_t start, wanted;
    } cases[] = {
        {"y[global_id.x] = atomic_min(x[0], long(global_id.x) - 5000000000l);", FM_DTYPE_I64, 7,
         (uint64_t)-5000000000ll},
        {"y[global_id.x] = atomic_max(x[0], long(global_id.x) << 33);", FM_DTYPE_I64, (uint64_t)-7,
         (ITEMS - 1ull) << 33},
        {"y[global_id.x] = atomic_min(x[0], ~ulong(global_id.x));", FM_DTYPE_U64, UINT64_MAX, ~(ITEMS - 1ull)},
        {"y[global_id.x] = atomic_max(x[0], ~ulong(global_id.x));", FM_DTYPE_U64, 3, UINT64_MAX},
        {"y[global_id.x] = atomic_or(x[0], 1ul << (global_id.x % 64u));", FM_DTYPE_U64, 0, UINT64_MAX},
        {"y[global_id.x] = atomic_and(x[0], ~(1l << (global_id.x % 63u)));", FM_DTYPE_I64, UINT64_MAX,
         UINT64_C(1) << 63},
        {"y[global_id.x] = atomic_xor(x[0], ulong(global_id.x) << 40);", FM_DTYPE_U64, 5, 5}, // 0 ^ 1 ^ … ^ 4k - 1 is 0
        {"y[global_id.x] = atomic_exchange(x[0], 1l << 60);", FM_DTYPE_I64, 9, UINT64_C(1) << 60},
        {"y[global_id.x] = atomic_compare_exchange(x[0], 9ul, 9ul << 40);", FM_DTYPE_U64, 9, UINT64_C(9) << 40},
        {"y[global_id.x] = atomic_add(x[0], -1l);", FM_DTYPE_I64, 0, (uint64_t)-ITEMS},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint64_t after[2];
        if (!run(*state, cases[i].body, cases[i].dtype, BUFFER_INT64, cases[i].start, after, old)) skip();
        if (after[0] != cases[i].wanted) {
            fail_msg("'%s' leaves 0x%llx, expected 0x%llx", cases[i].body, (unsigned long long)after[0],
                     (unsigned long long)cases[i].wanted);
        }
        uint32_t first = 0;
        for (uint32_t k = 0; k < ITEMS; k++) first += old[k] == cases[i].start;
        assert_true(first >= 1); // some work-item was the first
    }
}

static void atomic_of_64_bits_works_in_shared_arrays(void **state)
{
    static const char body[] =
        "if (local_id.x == 0u) { s[0] = 0ul; s[1] = ~0ul; }\nbarrier();\n"
        "atomic_add(s[0], 0x100000000ul); atomic_min(s[1], ulong(local_id.x) + (1ul << 50));\nbarrier();\n"
        "y[global_id.x] = s[0] + s[1];";
    uint64_t after[2];
    if (!run(*state, body, FM_DTYPE_U64, SHARED_INT64, 0, after, old)) skip();
    for (uint32_t i = 0; i < ITEMS; i++) assert_int_equal(old[i], (UINT64_C(64) << 32) + (UINT64_C(1) << 50));
}

// Whole numbers, whose sums are exact in any order.
static void atomic_add_of_floats_sums(void **state)
{
    static float floats[ITEMS];
    union {
        uint64_t words[2];
        float floats[4];
    } after;
    if (!run(*state, "y[global_id.x] = atomic_add(x[0], float(global_id.x % 100u) - 30.0);", FM_DTYPE_F32,
             "shaderBufferFloat32AtomicAdd", 0, after.words, floats)) {
        skip();
    }
    float sum = 0;
    for (uint32_t i = 0; i < ITEMS; i++) sum += (float)(i % 100) - 30;
    assert_true(after.floats[0] == sum);
    uint32_t first = 0;
    for (uint32_t i = 0; i < ITEMS; i++) first += floats[i] == 0;
    assert_true(first >= 1);
}

static void atomic_add_of_floats_sums_in_shared_arrays(void **state)
{
    static float floats[ITEMS];
    static const char body[] =
        "if (local_id.x == 0u) s[0] = 0.25;\nbarrier();\natomic_add(s[0], float(local_id.x));\nbarrier();\n"
        "y[global_id.x] = s[0];";
    uint64_t after[2];
    if (!run(*state, body, FM_DTYPE_F32, "shaderSharedFloat32AtomicAdd", 0, after, floats)) skip();
    for (uint32_t i = 0; i < ITEMS; i++) assert_true(floats[i] == 63 * 32 + 0.25f);
}

// The dtype that a dispatch chooses decides, too.
static void atomic_of_a_chosen_dtype_runs_or_is_unsupported(void **state)
{
    ct_fixture *f = *state;
    fm_kernel kernel =
        ct_kernel(f, "atomic_add(x[0], x[1]);", CT_PARAMS({"x", FM_DTYPE_NONE, FM_ACCESS_READ_WRITE}), NULL, 0);
    const fm_dtype dtypes[] = {FM_DTYPE_I32, FM_DTYPE_U32, FM_DTYPE_I64, FM_DTYPE_U64, FM_DTYPE_F32, FM_DTYPE_F16};
    for (size_t i = 0; i < sizeof dtypes / sizeof dtypes[0]; i++) {
        if (!(f->properties.dtype_mask >> dtypes[i] & 1)) continue;
        const union {
            float floats[4];
            uint32_t words[4];
            uint64_t wide[2];
        } numbers = {.words = {5, dtypes[i] > FM_DTYPE_U32 ? 0 : 1, 1, 0}}, reals = {.floats = {5, 1, 0, 0}};
        fm_buffer x = ct_buffer_of(f, dtypes[i] == FM_DTYPE_F32 ? &reals : &numbers, sizeof numbers);
        fm_commands *commands = ct_begin(f);
        fm_dispatch_info info = ct_dispatch_info(kernel, 1, CT_BINDINGS({.buffer = x, .dtype = dtypes[i]}), NULL, 0);
        fm_status status = fm_dispatch(commands, &info);
        if (dtypes[i] == FM_DTYPE_F16) {
            assert_int_equal(status, FM_ERROR_COMPILE);
            assert_non_null(strstr(fm_last_error(),
                                   "atomic_add works on int, uint, long and ulong elements, and on float"));
        } else if (status == FM_OK) {
            ct_finish(f, commands);
            uint32_t words[4];
            ct_read(f, x, 0, sizeof words, words);
            float sum;
            memcpy(&sum, words, sizeof sum);
            assert_true(dtypes[i] == FM_DTYPE_F32 ? sum == 69 : words[0] == 69);
            continue;
        } else {
            assert_int_equal(status, FM_ERROR_UNSUPPORTED);
            assert_true(dtypes[i] > FM_DTYPE_U32 || dtypes[i] == FM_DTYPE_F32);
            assert_non_null(strstr(fm_last_error(), "Atomic"));
        }
        CT_OK(fm_commands_cancel(&commands));
    }
}

static void atomic_mistakes_are_refused_by_name(void **state)
{
    ct_fixture *f = *state;
    static const struct {
        fm_dtype dtype;
        const char *code;
        const char *sentence;
    } cases[] = {
        {FM_DTYPE_F32, "atomic_min(x[0], 1.0);",
         "column 12: of float elements there is atomic_add alone; those of 'x' are float"},
        {FM_DTYPE_F32, "atomic_add(x[0], 1);",
         "column 18: the element is a float, and this is an int: cast it with float(…), or write 3.0 for 3"},
        {FM_DTYPE_U64, "atomic_add(x[0], 1u);",
         "column 18: the element is a ulong, and this is a uint: cast it with ulong(…), or write 3ul"},
        {FM_DTYPE_I64, "atomic_compare_exchange(x[0], 1l, 1);", "column 35: the element is a long, and this is an int"},
        {FM_DTYPE_I8, "atomic_or(x[0], 1);",
         "column 11: atomic_or works on int, uint, long and ulong elements; those of 'x' are int8"},
        {FM_DTYPE_F64, "atomic_add(x[0], 1.0lf);",
         "atomic_add works on int, uint, long and ulong elements, and on float; those of 'x' are double"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (!(f->properties.dtype_mask >> cases[i].dtype & 1)) continue;
        const fm_kernel_param param = {"x", cases[i].dtype, FM_ACCESS_READ_WRITE};
        fm_kernel_info info = {.name = "atomic", .code = cases[i].code, .params = &param, .param_count = 1};
        fm_kernel kernel = {0};
        CT_STATUS(fm_kernel_create(f->device, &info, &kernel), FM_ERROR_COMPILE);
        if (!strstr(fm_last_error(), cases[i].sentence)) fail_msg("'%s' gave '%s'", cases[i].code, fm_last_error());
    }
}

int ct_group_atomics(void)
{
    const struct CMUnitTest tests[] = {
        CT_TEST(atomic_of_64_bits_carries_into_the_upper_half),
        CT_TEST(atomic_of_64_bits_does_what_its_name_says),
        CT_TEST(atomic_of_64_bits_works_in_shared_arrays),
        CT_TEST(atomic_add_of_floats_sums),
        CT_TEST(atomic_add_of_floats_sums_in_shared_arrays),
        CT_TEST(atomic_of_a_chosen_dtype_runs_or_is_unsupported),
        CT_TEST(atomic_mistakes_are_refused_by_name),
    };
    return cmocka_run_group_tests_name("atomics", tests, NULL, NULL);
}

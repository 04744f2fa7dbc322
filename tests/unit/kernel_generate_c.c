// Generated C: every dtype compiles with libtcc, as the host backend does it, and computes what it should; and the functions
// that it links to. libtcc runs many times in this process, also after failures, as it does in a program.
#include "kernel_fixture.h"

#include "backend/host/entry.h"
#include "backend/host/symbols.h"

#ifdef FMI_HAVE_HOST
#include <libtcc.h>
#endif

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef FMI_HAVE_HOST

// A kernel that libtcc has compiled, as the host backend does it.
struct compiled {
    TCCState *tcc;
    fmi_host_entry entry;
    fmi_text log;
};

static void note(void *log, const char *message)
{
    fmi_text_format(log, "%s\n", message);
}

static bool compile_c(const char *text, struct compiled *out)
{
    *out = (struct compiled){.tcc = tcc_new()};
    assert_non_null(out->tcc);
    tcc_set_error_func(out->tcc, &out->log, note);
    tcc_set_options(out->tcc, "-nostdlib -nostdinc");
    tcc_set_output_type(out->tcc, TCC_OUTPUT_MEMORY);
    for (size_t i = 0; i < fmi_host_symbol_count; i++) {
        tcc_add_symbol(out->tcc, fmi_host_symbols[i].name, fmi_host_symbols[i].address);
    }
    if (tcc_compile_string(out->tcc, text) != 0 || tcc_relocate(out->tcc, TCC_RELOCATE_AUTO) < 0) {
        return false;
    }
    void *entry = tcc_get_symbol(out->tcc, "fm_kernel_main");
    memcpy(&out->entry, &entry, sizeof entry);
    return entry != NULL;
}

static void drop(struct compiled *compiled)
{
    tcc_delete(compiled->tcc);
    fmi_text_free(&compiled->log);
}

// Generates, compiles and runs groups [first, last) of `counts`; no message of libtcc, not even a warning, is accepted.
static void run(const fm_kernel_info *info, uint64_t dtypes, void *const *bindings, const void *constants,
                const uint32_t counts[3], uint64_t first, uint64_t last)
{
    fmi_generated generated = prepare(info, dtypes);
    if (fmi_generate(&generated, fmi_print_c) != FM_OK) {
        fail_msg("%s", fm_last_error());
    }
    struct compiled compiled;
    if (!compile_c(fmi_text_get(&generated.text), &compiled) || compiled.log.length) {
        fail_msg("%s\n%s", fmi_text_get(&compiled.log), fmi_text_get(&generated.text));
    }
    const fmi_host_entry_args args = {bindings, constants, first, last, {counts[0], counts[1], counts[2]}};
    compiled.entry(&args);
    drop(&compiled);
    release(&generated);
}

static uint64_t get_key(const fm_kernel_param *params, uint32_t count)
{
    uint64_t key = 0;
    for (uint32_t i = 0; i < count; i++) {
        key |= (uint64_t)params[i].dtype << (4 * i);
    }
    return key;
}

// One workgroup of one work-item.
static void run_once(const char *body, const fm_kernel_param *params, uint32_t param_count, void *const *bindings)
{
    const fm_kernel_info info = {
        .name = "k", .code = body, .params = params, .param_count = param_count, .group_size = {1, 1, 1}};
    run(&info, get_key(params, param_count), bindings, NULL, (const uint32_t[]){1, 1, 1}, 0, 1);
}

static uint32_t float_bits(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static float bits_float(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static void store(fm_dtype dtype, void *element, double value)
{
    switch (dtype) {
    case FM_DTYPE_F32: *(float *)element = (float)value; break;
    case FM_DTYPE_F16: *(uint16_t *)element = fmi_float_to_half((float)value); break;
    case FM_DTYPE_I32: *(int32_t *)element = (int32_t)value; break;
    case FM_DTYPE_U32: *(uint32_t *)element = (uint32_t)(int32_t)value; break;
    case FM_DTYPE_I8: *(int8_t *)element = (int8_t)(int32_t)value; break;
    case FM_DTYPE_BF16: *(uint16_t *)element = (uint16_t)(float_bits((float)value) >> 16); break; // exact numbers only
    case FM_DTYPE_F64: *(double *)element = value; break;
    case FM_DTYPE_I64: *(int64_t *)element = (int64_t)value; break;
    case FM_DTYPE_U64: *(uint64_t *)element = (uint64_t)(int64_t)value; break;
    default: *(uint8_t *)element = (uint8_t)(int32_t)value; break;
    }
}

static double load(fm_dtype dtype, const void *element)
{
    switch (dtype) {
    case FM_DTYPE_F32: return (double)*(const float *)element;
    case FM_DTYPE_F16: return (double)fmi_half_to_float(*(const uint16_t *)element);
    case FM_DTYPE_I32: return *(const int32_t *)element;
    case FM_DTYPE_U32: return *(const uint32_t *)element;
    case FM_DTYPE_I8: return *(const int8_t *)element;
    case FM_DTYPE_BF16: return (double)bits_float((uint32_t) * (const uint16_t *)element << 16);
    case FM_DTYPE_F64: return *(const double *)element;
    case FM_DTYPE_I64: return (double)*(const int64_t *)element;
    case FM_DTYPE_U64: return (double)*(const uint64_t *)element;
    default: return *(const uint8_t *)element;
    }
}

static void c_every_pair_of_dtypes_gives_the_values(void **state)
{
    (void)state;
    enum { ITEMS = 100 };
    const fm_kernel_constant constants[] = {{"a", FM_DTYPE_F32}, {"n", FM_DTYPE_U32}, {"d", FM_DTYPE_I32}};
    const struct {
        float a;
        uint32_t n;
        int32_t d;
    } values = {3.0f, ITEMS - 3, 2};
    for (fm_dtype from = FM_DTYPE_F32; from <= FM_DTYPE_F64; from++) {
        for (fm_dtype to = FM_DTYPE_F32; to <= FM_DTYPE_F64; to++) {
            const fm_kernel_param params[] = {{"x", FM_DTYPE_NONE, FM_ACCESS_READ},
                                              {"y", FM_DTYPE_NONE, FM_ACCESS_READ_WRITE}};
            char body[200];
            snprintf(body, sizeof body,
                     "uint i = global_id.x;\nif (i >= n) return;\ny[i] = %s(a * float(x[i]));\ny[i] += %s(d);\n",
                     get_cast(to), get_cast(to));
            _Alignas(16) uint8_t x[ITEMS * 8], y[ITEMS * 8];
            memset(y, 0, sizeof y);
            for (uint32_t i = 0; i < ITEMS; i++) {
                store(from, x + i * fmi_dtype_size(from), i % 40);
            }
            const fm_kernel_info info = {.name = "k",
                                         .code = body,
                                         .params = params,
                                         .param_count = 2,
                                         .constants = constants,
                                         .constant_count = 3};
            run(&info, from | to << 4, (void *const[]){x, y}, &values, (const uint32_t[]){2, 1, 1}, 0, 2);
            for (uint32_t i = 0; i < ITEMS; i++) {
                _Alignas(8) uint8_t expected[8];
                store(to, expected, i < values.n ? (double)(i % 40 * 3 + 2) : 0);
                assert_true(load(to, y + i * fmi_dtype_size(to)) == load(to, expected));
            }
        }
    }
}

static void c_ids_cover_every_item_once_however_the_groups_are_split(void **state)
{
    (void)state;
    enum { X = 3 * 4, Y = 2 * 3, Z = 5 * 2, ITEMS = X * Y * Z };
    const fm_kernel_param params[] = {{"seen", FM_DTYPE_U32, FM_ACCESS_READ_WRITE},
                                      {"wrong", FM_DTYPE_U32, FM_ACCESS_READ_WRITE}};
    static const char body[] =
        "uint i = global_id.x + 12u * (global_id.y + 6u * global_id.z);\n"
        "seen[i] += 1u;\n"
        "bool a = global_id.x == group_id.x * group_size.x + local_id.x && global_id.y == group_id.y * group_size.y + "
        "local_id.y;\n"
        "bool b = global_id.z == group_id.z * group_size.z + local_id.z && local_id.x < 4u && local_id.y < 3u && "
        "local_id.z < 2u;\n"
        "bool c = group_count.x == 3u && group_count.y == 2u && group_count.z == 5u && group_id.z < 5u;\n"
        "if (a && b && c) return;\n"
        "wrong[0] += 1u;";
    const fm_kernel_info info = {
        .name = "k", .code = body, .params = params, .param_count = 2, .group_size = {4, 3, 2}};
    static const uint64_t cuts[][4] = {{0, 30, 30, 30}, {0, 1, 2, 30}, {0, 7, 19, 30}, {0, 29, 29, 30}};
    for (size_t c = 0; c < COUNT(cuts); c++) {
        uint32_t seen[ITEMS] = {0}, wrong[1] = {0};
        for (int i = 0; i < 3; i++) {
            run(&info, get_key(params, 2), (void *const[]){seen, wrong}, NULL, (const uint32_t[]){3, 2, 5}, cuts[c][i],
                cuts[c][i + 1]);
        }
        assert_int_equal(wrong[0], 0);
        for (int i = 0; i < ITEMS; i++) {
            assert_int_equal(seen[i], 1);
        }
    }
}

static void c_integers_behave_as_32_bits(void **state)
{
    (void)state;
    const fm_kernel_param params[] = {{"u", FM_DTYPE_U32, FM_ACCESS_READ_WRITE},
                                      {"k", FM_DTYPE_I32, FM_ACCESS_READ_WRITE},
                                      {"f", FM_DTYPE_F32, FM_ACCESS_READ_WRITE}};
    uint32_t u[12] = {0xfffffff0u, 7, 0x80000001u};
    int32_t k[12] = {-17, 5, INT32_MIN};
    float f[12] = {3e9f, -3.7f};
    run_once("u[3] = u[0] + 32u; u[4] = u[0] / 7u; u[5] = u[0] % 7u; u[6] = u[2] >> 1; u[7] = u[2] << 1; u[8] = ~u[1]; "
             "u[9] = uint(f[0]); u[10] = 3u - 4u; u[11] = u[0] * u[0];\n"
             "k[3] = k[0] / k[1]; k[4] = k[0] % k[1]; k[5] = k[0] >> 2; k[6] = int(f[1]); k[7] = abs(k[0]); k[8] = "
             "k[2] < 0 ? 1 : 0; k[9] = int(u[0]); k[10] = u[0] > 1u ? 1 : 0;\n"
             "f[2] = float(u[0]); f[3] = float(k[2]); f[4] = float(u[2] >> 31);",
             params, 3, (void *const[]){u, k, f});
    const uint32_t eu[] = {16, 0xfffffff0u / 7, 0xfffffff0u % 7, 0x40000000u, 2, ~7u, 3000000000u, 0xffffffffu, 256};
    const int32_t ek[] = {-3, -2, -5, -3, 17, 1, -16, 1};
    assert_memory_equal(u + 3, eu, sizeof eu);
    assert_memory_equal(k + 3, ek, sizeof ek);
    assert_true(f[2] == (float)0xfffffff0u && f[3] == (float)INT32_MIN && f[4] == 1.0f);
}

static void c_float_math_is_single_precision(void **state)
{
    (void)state;
    const fm_kernel_param params[] = {{"x", FM_DTYPE_F32, FM_ACCESS_READ}, {"y", FM_DTYPE_F32, FM_ACCESS_WRITE}};
    float x[] = {0.1f, 16777216.0f, 3.3333333f, 1e-30f};
    float y[24] = {0};
    run_once("y[0] = x[0] * x[2] + x[0]; y[1] = (x[1] + 1.0) - x[1]; y[2] = x[3] * x[3] * 1e30; y[3] = x[0] / 3.0; "
             "y[4] = 0.1 * x[2];\n"
             "y[5] = -x[0]; y[6] = sqrt(x[2]); y[7] = rsqrt(x[2]); y[8] = exp(x[0]); y[9] = exp2(x[0]); y[10] = "
             "log(x[0]); y[11] = log2(x[0]);\n"
             "y[12] = pow(x[0], x[2]); y[13] = sin(x[2]); y[14] = cos(x[2]); y[15] = tan(x[2]); y[16] = tanh(x[0]); "
             "y[17] = floor(-x[2]);\n"
             "y[18] = ceil(x[2]); y[19] = trunc(-x[2]); y[20] = fma(x[0], x[2], x[0]); y[21] = abs(-x[0]); y[22] = "
             "as_float(as_uint(x[0]) + 1u); y[23] = float(as_int(-x[0]));",
             params, 2, (void *const[]){x, y});
    volatile float product = x[0] * x[2], tiny = x[3] * x[3], sum = x[1] + 1.0f;
    int32_t bits;
    float negative = -x[0];
    memcpy(&bits, &negative, sizeof bits);
    const float expected[] = {product + x[0],
                              sum - x[1],
                              tiny * 1e30f,
                              x[0] / 3.0f,
                              0.1f * x[2],
                              -x[0],
                              sqrtf(x[2]),
                              1 / sqrtf(x[2]),
                              expf(x[0]),
                              exp2f(x[0]),
                              logf(x[0]),
                              log2f(x[0]),
                              powf(x[0], x[2]),
                              sinf(x[2]),
                              cosf(x[2]),
                              tanf(x[2]),
                              tanhf(x[0]),
                              floorf(-x[2]),
                              ceilf(x[2]),
                              truncf(-x[2]),
                              fmaf(x[0], x[2], x[0]),
                              x[0],
                              nextafterf(x[0], 1),
                              (float)bits};
    assert_memory_equal(y, expected, sizeof expected);
}

static void c_min_max_clamp_follow_their_type(void **state)
{
    (void)state;
    const fm_kernel_param params[] = {{"u", FM_DTYPE_U32, FM_ACCESS_READ_WRITE},
                                      {"k", FM_DTYPE_I32, FM_ACCESS_READ_WRITE},
                                      {"f", FM_DTYPE_F32, FM_ACCESS_READ_WRITE}};
    uint32_t u[6] = {0xfffffff0u, 7};
    int32_t k[6] = {-16, 7};
    float f[8] = {-0.5f, 2.5f, NAN};
    run_once("u[2] = min(u[0], u[1]); u[3] = max(u[0], u[1]); u[4] = clamp(u[0], 1u, 9u); u[5] = abs(u[0]);\n"
             "k[2] = min(k[0], k[1]); k[3] = max(k[0], k[1]); k[4] = clamp(k[0], -3, 9); k[5] = abs(k[0]);\n"
             "f[3] = min(f[0], f[1]); f[4] = max(min(f[0], f[1]), max(0.25, min(f[0], 7.0))); f[5] = clamp(f[1], -1.0, "
             "1.0); f[6] = min(f[1], f[2]); f[7] = max(f[1], f[2]);",
             params, 3, (void *const[]){u, k, f});
    const uint32_t eu[] = {7, 0xfffffff0u, 9, 0xfffffff0u};
    const int32_t ek[] = {-16, 7, -3, 16};
    const float ef[] = {-0.5f, 0.25f, 1.0f, 2.5f, 2.5f};
    assert_memory_equal(u + 2, eu, sizeof eu);
    assert_memory_equal(k + 2, ek, sizeof ek);
    assert_memory_equal(f + 3, ef, sizeof ef);
}

static void c_comparisons_with_nan_are_false(void **state)
{
    (void)state;
    const fm_kernel_param params[] = {{"f", FM_DTYPE_F32, FM_ACCESS_READ}, {"k", FM_DTYPE_I32, FM_ACCESS_WRITE}};
    float f[] = {NAN, 1.0f};
    int32_t k[8] = {0};
    run_once("k[0] = int(f[0] < f[1]); k[1] = int(f[0] > f[1]); k[2] = int(f[0] <= f[1]); k[3] = int(f[0] >= f[1]); "
             "k[4] = int(f[0] == f[0]); k[5] = int(f[0] != f[0]);\n"
             "k[6] = f[0] < f[1] ? 1 : 0; if (!(f[0] < f[1])) k[7] = 1;",
             params, 2, (void *const[]){f, k});
    const int32_t expected[] = {0, 0, 0, 0, 0, 1, 0, 1};
    assert_memory_equal(k, expected, sizeof expected);
}

static void c_control_flow_arrays_and_helpers_work(void **state)
{
    (void)state;
    const fm_kernel_param params[] = {{"y", FM_DTYPE_F32, FM_ACCESS_READ_WRITE}};
    const fm_kernel_info info = {
        .name = "k",
        .header = "#define COUNT 8u\nfloat twice(float v)\n{\n    if (v > 100.0) return 0.0;\n    return v * 2.0;\n}\n",
        .code = "float list[8];\nfor (uint i = 0u; i < COUNT; i++) {\n  if (i == 3u) continue;\n  list[i] = "
                "twice(float(i));\n}\n"
                "uint i = 0u;\nwhile (true) {\n  if (i == 3u) { i++; continue; }\n  if (i >= COUNT) break;\n  y[i] += "
                "list[i] + float(global_id.x);\n  i++;\n}\n"
                "int j = 0; do { j += 2; } while (j < 7);\n"
                "if (j == 8) y[3] = 1.0; else y[3] = 2.0;\n"
                "{ if (j == 8) return; }\ny[0] = -1.0; // no line end",
        .params = params,
        .param_count = 1,
        .group_size = {2, 1, 1},
    };
    float y[8] = {0};
    run(&info, FM_DTYPE_F32, (void *const[]){y}, NULL, (const uint32_t[]){2, 1, 1}, 0, 2);
    for (int i = 0; i < 8; i++) {
        assert_true(y[i] == (i == 3 ? 1.0f : 4.0f * 2.0f * (float)i + 6.0f));
    }
}

static void c_return_leaves_one_work_item_wherever_it_stands(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "uint i = global_id.x; y[i] += 1.0; if (i % 2u == 1u) { if (i > 0u) return; } y[i] += 1.0;",
        "uint i = global_id.x; y[i] += 1.0; for (uint q = 0u; q < 3u; q++) if (i % 2u == q) { if (q == 1u) return; "
        "else break; } y[i] += 1.0;",
        "uint i = global_id.x; y[i] += 1.0; do { while (true) { if (i % 2u == 1u) return; break; } } while (false); "
        "y[i] += 1.0;",
        "uint i = global_id.x; if (i % 2u == 0u) y[i] = 2.0; else if (i == 1u) { y[i] = 1.0; return; } else { y[i] = "
        "1.0; return; }",
    };
    const fm_kernel_param params[] = {{"y", FM_DTYPE_F32, FM_ACCESS_READ_WRITE}};
    for (size_t b = 0; b < COUNT(bodies); b++) {
        const fm_kernel_info info = {
            .name = "k", .code = bodies[b], .params = params, .param_count = 1, .group_size = {5, 1, 1}};
        float y[15] = {0};
        run(&info, FM_DTYPE_F32, (void *const[]){y}, NULL, (const uint32_t[]){3, 1, 1}, 0, 3);
        for (int i = 0; i < 15; i++) {
            assert_true(y[i] == (i % 2 ? 1.0f : 2.0f));
        }
    }
}

static void c_return_hidden_by_a_macro_leaves_one_work_item(void **state)
{
    (void)state;
    const fm_kernel_param params[] = {{"y", FM_DTYPE_F32, FM_ACCESS_READ_WRITE}};
    const fm_kernel_info info = {.name = "k",
                                 .header = "#define LOOP for (int q = 0; q < 3; q++)\n#define DONE return\n",
                                 .code = "LOOP { y[global_id.x] += 1.0; if (q == 1) return; }\nDONE;",
                                 .params = params,
                                 .param_count = 1};
    float y[128] = {0};
    run(&info, FM_DTYPE_F32, (void *const[]){y}, NULL, (const uint32_t[]){2, 1, 1}, 0, 2);
    for (int i = 0; i < 128; i++) {
        assert_true(y[i] == 2.0f);
    }
}

static void c_chained_and_compound_stores_work(void **state)
{
    (void)state;
    const fm_kernel_param params[] = {{"h", FM_DTYPE_F16, FM_ACCESS_READ_WRITE},
                                      {"b", FM_DTYPE_I8, FM_ACCESS_READ_WRITE},
                                      {"f", FM_DTYPE_F32, FM_ACCESS_READ_WRITE}};
    uint16_t h[4] = {0};
    int8_t b[6] = {0, 1, 2, 3};
    float f[4] = {0};
    run_once("f[0] = h[0] = 0.1; h[b[1]] = f[1] = h[2] = 2048.5; b[b[2]] += 127; b[0] = b[4] = -200; f[2] = (h[3] += "
             "1.5) * 2.0; b[5] = 3; b[5] <<= 2; b[5] |= 1; b[5] -= b[1] > 0 ? 1 : 2;",
             params, 3, (void *const[]){h, b, f});
    assert_true(f[0] == fmi_half_to_float(fmi_float_to_half(0.1f)) && f[1] == 2048.0f && f[2] == 3.0f);
    assert_int_equal(h[1], fmi_float_to_half(2048.0f));
    const int8_t eb[] = {56, 1, (int8_t)129, 3, 56, 12};
    assert_memory_equal(b, eb, sizeof eb);
}

struct atomic_run {
    struct compiled *compiled;
    fmi_host_entry_args args;
};

static void *run_part(void *user)
{
    struct atomic_run *part = user;
    part->compiled->entry(&part->args);
    return NULL;
}

static void c_atomics_count_exactly_on_several_threads(void **state)
{
    (void)state;
    enum { THREADS = 4, GROUPS = 400 };
    const fm_kernel_param params[] = {{"k", FM_DTYPE_I32, FM_ACCESS_READ_WRITE},
                                      {"u", FM_DTYPE_U32, FM_ACCESS_READ_WRITE}};
    const fm_kernel_info info = {
        .name = "k",
        .code = "int i = int(global_id.x);\natomic_add(k[0], 1); atomic_min(k[1], -i); atomic_max(k[2], i); "
                "atomic_xor(k[3], i);\n"
                "atomic_or(u[0], 1u << (global_id.x % 32u)); atomic_and(u[1], ~(1u << (global_id.x % 31u))); "
                "atomic_max(u[2], 0x80000000u + global_id.x);\n"
                "atomic_min(u[3], 0xffffffffu - global_id.x);\n"
                "for (;;) { uint old = u[4]; if (atomic_compare_exchange(u[4], old, old + 2u) == old) break; }\n"
                "if (atomic_exchange(u[5], 1u) == 0u) atomic_add(u[6], 1u);",
        .params = params,
        .param_count = 2};
    fmi_generated generated = prepare(&info, get_key(params, 2));
    assert_int_equal(fmi_generate(&generated, fmi_print_c), FM_OK);
    struct compiled compiled;
    assert_true(compile_c(fmi_text_get(&generated.text), &compiled));
    int32_t k[4] = {0};
    uint32_t u[8] = {0, 0xffffffffu, 0, 0xffffffffu};
    void *const bindings[] = {k, u};
    struct atomic_run parts[THREADS];
    pthread_t threads[THREADS];
    for (uint32_t i = 0; i < THREADS; i++) {
        parts[i] = (struct atomic_run){
            &compiled, {bindings, NULL, i * GROUPS / THREADS, (i + 1) * GROUPS / THREADS, {GROUPS, 1, 1}}};
        assert_int_equal(pthread_create(&threads[i], NULL, run_part, &parts[i]), 0);
    }
    for (uint32_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    const int items = GROUPS * 64;
    int folded = 0;
    for (int i = 0; i < items; i++) {
        folded ^= i;
    }
    const int32_t ek[] = {items, 1 - items, items - 1, folded};
    const uint32_t eu[] = {0xffffffffu,
                           0x80000000u,
                           0x80000000u + (uint32_t)items - 1,
                           0xffffffffu - (uint32_t)items + 1,
                           2 * (uint32_t)items,
                           1,
                           1};
    assert_memory_equal(k, ek, sizeof ek);
    assert_memory_equal(u, eu, sizeof eu);
    drop(&compiled);
    release(&generated);
}

// libtcc keeps state between compiles of one process, also after an error in the middle of something. No text of a tree has one, so they are put in.
static void c_compiles_after_compiles_that_failed(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "for (;;) { while (1) { do { nothing; } while (1); } }",
        "if (1) { float a[4]; a[fm_min_f(1, nothing)] = 1.0; }",
        "1 ? nothing : 1.0;",
        "float f = { nothing };",
        "1.0 +;",
        "for (unsigned i = 0u; i < ; i++) { }",
        "what(1.0);",
    };
    const fm_kernel_param params[] = {{"x", FM_DTYPE_F32, FM_ACCESS_READ_WRITE}};
    fm_kernel_info info = {.name = "k", .code = "x[0] = min(x[1], 1.0);", .params = params, .param_count = 1};
    for (size_t i = 0; i < 4 * COUNT(wrong); i++) {
        fmi_generated generated = prepare(&info, FM_DTYPE_F32);
        assert_int_equal(fmi_generate(&generated, fmi_print_c), FM_OK);
        const char *whole = fmi_text_get(&generated.text), *place = strstr(whole, "fm_state.fm_b_x[0] =");
        assert_non_null(place);
        fmi_text text = {0};
        fmi_text_format(&text, "%.*s%s\n%s", (int)(place - whole), whole, wrong[i % COUNT(wrong)], place);
        struct compiled compiled;
        assert_false(compile_c(fmi_text_get(&text), &compiled));
        drop(&compiled);
        fmi_text_free(&text);
        release(&generated);
        c_control_flow_arrays_and_helpers_work(NULL);
        c_min_max_clamp_follow_their_type(NULL);
    }
}

#endif

static void half_every_value_survives_a_round_trip(void **state)
{
    (void)state;
    for (uint32_t half = 0; half <= 0xffff; half++) {
        float value = fmi_half_to_float((uint16_t)half);
        uint32_t exponent = half >> 10 & 31, mantissa = half & 1023;
        if (exponent == 31 && mantissa) {
            assert_true(isnan(value));
            assert_int_equal(fmi_float_to_half(value), half | 0x200);
            continue;
        }
        float expected = exponent == 31 ? INFINITY
                         : exponent     ? ldexpf(1024.0f + (float)mantissa, (int)exponent - 25)
                                        : ldexpf((float)mantissa, -24);
        assert_true(value == (half & 0x8000 ? -expected : expected));
        assert_int_equal(signbit(value) != 0, half >> 15);
        assert_int_equal(fmi_float_to_half(value), half);
    }
}

static void half_rounds_to_nearest_even(void **state)
{
    (void)state;
    for (uint32_t half = 0; half < 0x7c00; half++) {
        // Halfway between two neighbours, and the floats just beside it. Above the largest half lies what would be 65536.
        double low = (double)fmi_half_to_float((uint16_t)half);
        double high = half == 0x7bff ? 65536.0 : (double)fmi_half_to_float((uint16_t)(half + 1));
        float middle = (float)((low + high) / 2);
        assert_int_equal(fmi_float_to_half(middle), half + (half & 1));
        assert_int_equal(fmi_float_to_half(nextafterf(middle, 0.0f)), half);
        assert_int_equal(fmi_float_to_half(nextafterf(middle, INFINITY)), half + 1);
        assert_int_equal(fmi_float_to_half(-middle), 0x8000 | (half + (half & 1)));
    }
    assert_int_equal(fmi_float_to_half(1e-30f), 0);
    assert_int_equal(fmi_float_to_half(-1e30f), 0xfc00);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(half_every_value_survives_a_round_trip),
        cmocka_unit_test(half_rounds_to_nearest_even),
#ifdef FMI_HAVE_HOST
        cmocka_unit_test(c_every_pair_of_dtypes_gives_the_values),
        cmocka_unit_test(c_ids_cover_every_item_once_however_the_groups_are_split),
        cmocka_unit_test(c_integers_behave_as_32_bits),
        cmocka_unit_test(c_float_math_is_single_precision),
        cmocka_unit_test(c_min_max_clamp_follow_their_type),
        cmocka_unit_test(c_comparisons_with_nan_are_false),
        cmocka_unit_test(c_control_flow_arrays_and_helpers_work),
        cmocka_unit_test(c_return_leaves_one_work_item_wherever_it_stands),
        cmocka_unit_test(c_return_hidden_by_a_macro_leaves_one_work_item),
        cmocka_unit_test(c_chained_and_compound_stores_work),
        cmocka_unit_test(c_atomics_count_exactly_on_several_threads),
        cmocka_unit_test(c_compiles_after_compiles_that_failed),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

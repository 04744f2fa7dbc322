// The matrix product of the ports: kernels for Vulkan and the host device, and the check. See ports.h.
// The check is Freivalds': c r = a (b r) for a vector r that the kernel cannot know. All numbers are whole and below 2^24, so it is exact.
#include "ports.h"

enum { ROWS = 8, COLUMNS = 4 }; // of c that one work-item computes

typedef struct pattern_constants {
    uint32_t count;
    uint32_t seed;
} pattern_constants;

// Element `index` of the matrix made from `seed`; the same in the kernel's source.
static uint32_t pattern_value(uint32_t index, uint32_t seed)
{
    uint32_t h = (index + seed * 7919u) * 2654435761u;
    return (h >> 13) & 7u;
}

static const char pattern_source[] =
    "uint i = global_id.x; if (i < count) { uint h = (i + seed * 7919u) * 2654435761u; x[i] = float((h >> 13) & 7u); }";

// Eight rows and four columns a work-item: twelve loads for 32 products. Neighbours take neighbouring columns. The 32 sums are variables of
// their own: a CPU driver keeps an array in memory, which takes longer than the products.
// clang-format off
#define EIGHT(each) each(0) each(1) each(2) each(3) each(4) each(5) each(6) each(7)
#define DECLARE(r) "float s" #r "0 = 0.0, s" #r "1 = 0.0, s" #r "2 = 0.0, s" #r "3 = 0.0;\n"
#define MULTIPLY(r)                                                                                                    \
    "v = a[at + " #r "u * n]; s" #r "0 += v * b0; s" #r "1 += v * b1; s" #r "2 += v * b2; s" #r "3 += v * b3;\n"
#define STORE(r)                                                                                                       \
    "base = (row + " #r "u) * n + col; c[base] = s" #r "0; c[base + quarter] = s" #r "1;\n"                            \
    "c[base + 2u * quarter] = s" #r "2; c[base + 3u * quarter] = s" #r "3;\n"

static const char multiply_source[] =
    "uint quarter = n / 4u; uint col = global_id.x % quarter; uint row = (global_id.x / quarter) * 8u;\n"
    "if (row < n) {\n" EIGHT(DECLARE)
    "    for (uint k = 0u; k < n; k++) {\n"
    "        uint from = k * n + col, at = row * n + k;\n"
    "        float b0 = b[from], b1 = b[from + quarter], b2 = b[from + 2u * quarter], b3 = b[from + 3u * quarter], v;\n"
    EIGHT(MULTIPLY)
    "    }\n"
    "    uint base;\n"
    EIGHT(STORE)
    "}";
// clang-format on

static fm_status multiply_on_host(const fm_host_call *call)
{
    const float *a = call->bindings[0];
    const float *b = call->bindings[1];
    float *c = call->bindings[2];
    const uint32_t n = *(const uint32_t *)call->constants;
    memset(c, 0, (size_t)n * n * sizeof *c);
    for (uint32_t k = 0; k < n; k += 4) { // four rows of b at once stay in the cache while c streams by
        const float *b0 = b + (size_t)k * n, *b1 = b0 + n, *b2 = b1 + n, *b3 = b2 + n;
        for (uint32_t row = 0; row < n; row++) {
            const float *v = a + (size_t)row * n + k;
            float *out = c + (size_t)row * n;
            for (uint32_t i = 0; i < n; i++) {
                out[i] += v[0] * b0[i] + v[1] * b1[i] + v[2] * b2[i] + v[3] * b3[i];
            }
        }
    }
    return FM_OK;
}

ports_product ports_product_create(ct_fixture *fixture, uint32_t size, bool host_function)
{
    ports_product product = {.size = size};
    product.pattern = ct_kernel(fixture, pattern_source, CT_PARAMS({"x", FM_DTYPE_F32, FM_ACCESS_WRITE}),
                                CT_CONSTANTS({"count", FM_DTYPE_U32}, {"seed", FM_DTYPE_U32}));
    static const fm_kernel_param params[] = {
        {"a", FM_DTYPE_F32, FM_ACCESS_READ}, {"b", FM_DTYPE_F32, FM_ACCESS_READ}, {"c", FM_DTYPE_F32, FM_ACCESS_WRITE}};
    if (!host_function || !fixture->properties.runs_host_functions) {
        product.multiply = ct_kernel(fixture, multiply_source, params, 3, CT_CONSTANTS({"n", FM_DTYPE_U32}));
        return product;
    }
    fm_kernel_info info = {.name = "multiply",
                           .language = FM_KERNEL_HOST_FUNCTION,
                           .params = params,
                           .param_count = 3,
                           .constants_size_bytes = sizeof(uint32_t),
                           .host_function = multiply_on_host};
    CT_OK(fm_kernel_create(fixture->device, &info, &product.multiply));
    return product;
}

// c r == a (b r), with a and b as the pattern kernel made them.
static bool product_is_right(uint32_t n, uint32_t seed, const float *c)
{
    int64_t *br = calloc(n, sizeof *br);
    bool right = br != NULL;
    for (uint32_t k = 0; k < n && right; k++) {
        for (uint32_t i = 0; i < n; i++) br[k] += (int64_t)pattern_value(k * n + i, seed + 1) * (1 + i % 5);
    }
    for (uint32_t row = 0; row < n && right; row++) {
        int64_t expected = 0, got = 0;
        for (uint32_t i = 0; i < n; i++) {
            expected += pattern_value(row * n + i, seed) * br[i];
            float value = c[(size_t)row * n + i];
            got += value >= 0.0f && value < 16777216.0f ? (int64_t)value * (1 + i % 5) : INT32_MIN;
        }
        right = expected == got;
    }
    free(br);
    return right;
}

static bool record_pattern(ct_worker *worker, const ports_product *p, fm_commands *commands, fm_buffer to,
                           uint32_t seed)
{
    pattern_constants constants = {p->size * p->size, seed};
    fm_dispatch_info info =
        ct_dispatch_info(p->pattern, constants.count / 64, CT_BINDINGS({.buffer = to}), &constants, sizeof constants);
    return ct_worker_check(worker, fm_dispatch(commands, &info), FM_OK, "fm_dispatch(pattern)", __LINE__);
}

#define TRY(call)                                                                                                      \
    if (!ct_worker_check(worker, (call), FM_OK, #call, __LINE__)) return false

bool ports_product_run(ct_worker *worker, const ports_product *p, fm_stream stream, uint32_t seed, float *c)
{
    fm_device *device = worker->fixture->device;
    const uint64_t size_bytes = (uint64_t)p->size * p->size * sizeof(float);
    const fm_buffer_info info = {.size_bytes = size_bytes, .flags = FM_BUFFER_UNINITIALIZED};
    fm_buffer m[3];
    for (uint32_t i = 0; i < 3; i++) TRY(fm_buffer_create(device, &info, &m[i]));
    fm_commands *commands = NULL;
    TRY(fm_commands_begin(device, NULL, &commands));
    if (!record_pattern(worker, p, commands, m[0], seed) || !record_pattern(worker, p, commands, m[1], seed + 1)) {
        return false;
    }
    uint32_t items = p->size / ROWS * (p->size / COLUMNS);
    fm_dispatch_info dispatch =
        ct_dispatch_info(p->multiply, (items + 63) / 64,
                         CT_BINDINGS({.buffer = m[0]}, {.buffer = m[1]}, {.buffer = m[2]}), &p->size, sizeof p->size);
    TRY(fm_dispatch(commands, &dispatch));
    fm_point point;
    memset(c, CT_POISON, (size_t)size_bytes);
    TRY(fm_read(commands, m[2], 0, size_bytes, c));
    TRY(fm_commit(&commands, &(fm_commit_info){.stream = stream}, &point));
    for (uint32_t i = 0; i < 3; i++) TRY(fm_buffer_destroy(device, m[i]));
    TRY(fm_point_wait(device, point, 4 * CT_TIMEOUT_NS));
    return ct_worker_true(worker, product_is_right(p->size, seed, c), "the product equals the CPU's", __LINE__);
}

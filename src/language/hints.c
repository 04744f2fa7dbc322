// The table of hints, and the search for what looks alike. See hints.h.
// Names that follow a rule have none: `expf`, `__expf`, `native_exp` and `half_exp` are found as `exp`, `float4` as a vector.
#include "language/hints.h"

#include "language/vocabulary.h"

#include <stdio.h>
#include <string.h>

enum { MAX_SUGGESTED = 24 };

#define NO_VECTORS "there are no vectors: write their components as scalars"
#define SHARED "workgroup-shared arrays are declared in fm_kernel_info.shared, not in the text"
#define NO_QUALIFIER "leave this word out"
#define SIGNATURE "buffers and constants are declared in fm_kernel_info, and the text is the body alone"
#define FENCE "barrier() orders shared arrays, and what one dispatch stores the next one sees"
#define NO_EXCHANGE "work-items exchange values through workgroup-shared arrays and barrier()"
#define LANES                                                                                                          \
    "of subgroups there are subgroup_add, subgroup_min, subgroup_max, subgroup_broadcast, subgroup_size and "          \
    "subgroup_lane"
#define NARROW "8- and 16-bit numbers are dtypes of buffer elements, which a body sees as int, uint or float"
#define HALF "half is a dtype of buffer elements, which a body sees as float: write float"
#define NO_OUTPUT "a kernel prints nothing: store to a buffer and read that back"
#define NO_MEMORY "memory is buffers, shared arrays and local arrays alone"
#define COPY_LOOP "write a loop over the elements"
#define FLAT_ID "write local_id.x + group_size.x * (local_id.y + group_size.y * local_id.z)"
#define ITEMS "write group_count.x * group_size.x"
#define BITS "write it with shifts and masks"
#define DECLARE "a declaration begins with its type, as in 'uint i = 0u;'"

struct hint {
    const char *name;
    const char *word;   // ours; NULL: there is none, so
    const char *advice; // says what to do
};

// clang-format off
static const struct hint table[] = {
    // Ids.
    {"threadIdx", "local_id", NULL}, {"blockIdx", "group_id", NULL}, {"blockDim", "group_size", NULL},
    {"gridDim", "group_count", NULL}, {"get_global_id", "global_id", NULL}, {"get_local_id", "local_id", NULL},
    {"get_group_id", "group_id", NULL}, {"get_local_size", "group_size", NULL}, {"get_num_groups", "group_count", NULL},
    {"get_global_size", NULL, ITEMS}, {"gl_GlobalInvocationID", "global_id", NULL},
    {"gl_LocalInvocationID", "local_id", NULL}, {"gl_WorkGroupID", "group_id", NULL},
    {"gl_WorkGroupSize", "group_size", NULL}, {"gl_NumWorkGroups", "group_count", NULL},
    {"gl_LocalInvocationIndex", NULL, FLAT_ID}, {"SV_DispatchThreadID", "global_id", NULL},
    {"SV_GroupThreadID", "local_id", NULL}, {"SV_GroupID", "group_id", NULL}, {"SV_GroupIndex", NULL, FLAT_ID},
    {"DTid", "global_id", NULL}, {"GTid", "local_id", NULL}, {"dispatchThreadID", "global_id", NULL},
    {"groupThreadID", "local_id", NULL}, {"groupID", "group_id", NULL}, {"groupIndex", NULL, FLAT_ID},
    {"thread_position_in_grid", "global_id", NULL}, {"thread_position_in_threadgroup", "local_id", NULL},
    {"threadgroup_position_in_grid", "group_id", NULL}, {"threads_per_threadgroup", "group_size", NULL},
    {"threadgroups_per_grid", "group_count", NULL}, {"threads_per_grid", NULL, ITEMS},
    {"thread_index_in_threadgroup", NULL, FLAT_ID}, {"global_invocation_id", "global_id", NULL},
    {"local_invocation_id", "local_id", NULL}, {"workgroup_id", "group_id", NULL},
    {"num_workgroups", "group_count", NULL}, {"workgroup_size", "group_size", NULL},
    {"local_invocation_index", NULL, FLAT_ID}, {"gid", "global_id", NULL}, {"tid", "local_id", NULL},
    {"lid", "local_id", NULL}, {"thread_id", "local_id", NULL}, {"block_id", "group_id", NULL},
    {"block_dim", "group_size", NULL}, {"grid_dim", "group_count", NULL}, {"num_groups", "group_count", NULL},
    {"local_size", "group_size", NULL}, {"global_size", NULL, ITEMS},
    // Memory spaces and signatures.
    {"__shared__", NULL, SHARED}, {"shared", NULL, SHARED}, {"__local", NULL, SHARED}, {"local", NULL, SHARED},
    {"threadgroup", NULL, SHARED}, {"groupshared", NULL, SHARED}, {"workgroup", NULL, SHARED}, {"var", NULL, DECLARE},
    {"let", NULL, DECLARE}, {"auto", NULL, DECLARE}, {"__global", NULL, SIGNATURE}, {"__constant", NULL, SIGNATURE},
    {"__constant__", NULL, SIGNATURE}, {"__kernel", NULL, SIGNATURE}, {"kernel", NULL, SIGNATURE},
    {"__global__", NULL, SIGNATURE}, {"uniform", NULL, SIGNATURE}, {"buffer", NULL, SIGNATURE},
    {"layout", NULL, SIGNATURE}, {"cbuffer", NULL, SIGNATURE}, {"constant", NULL, SIGNATURE},
    {"device", NULL, SIGNATURE}, {"RWStructuredBuffer", NULL, SIGNATURE}, {"StructuredBuffer", NULL, SIGNATURE},
    {"numthreads", NULL, "the workgroup's size is fm_kernel_info.group_size"},
    {"__launch_bounds__", NULL, "the workgroup's size is fm_kernel_info.group_size"},
    {"__device__", NULL, NO_QUALIFIER}, {"__host__", NULL, NO_QUALIFIER}, {"__forceinline__", NULL, NO_QUALIFIER},
    {"__inline__", NULL, NO_QUALIFIER}, {"inline", NULL, NO_QUALIFIER}, {"static", NULL, NO_QUALIFIER},
    {"register", NULL, NO_QUALIFIER}, {"volatile", NULL, NO_QUALIFIER}, {"restrict", NULL, NO_QUALIFIER},
    {"__restrict__", NULL, NO_QUALIFIER}, {"__restrict", NULL, NO_QUALIFIER}, {"highp", NULL, NO_QUALIFIER},
    {"mediump", NULL, NO_QUALIFIER}, {"lowp", NULL, NO_QUALIFIER}, {"precise", NULL, NO_QUALIFIER},
    {"extern", NULL, NO_QUALIFIER}, {"__private", NULL, NO_QUALIFIER},
    {"in", NULL, "parameters of helper functions are by value"},
    {"out", NULL, "parameters of helper functions are by value"},
    {"inout", NULL, "parameters of helper functions are by value"},
    // Types.
    {"uint32_t", "uint", NULL}, {"int32_t", "int", NULL}, {"unsigned", "uint", NULL}, {"signed", "int", NULL},
    {"size_t", "uint", NULL}, {"ptrdiff_t", "int", NULL}, {"u32", "uint", NULL}, {"i32", "int", NULL},
    {"f32", "float", NULL}, {"float32_t", "float", NULL}, {"uint64_t", "ulong", NULL}, {"int64_t", "long", NULL},
    {"u64", "ulong", NULL}, {"i64", "long", NULL}, {"_Bool", "bool", NULL}, {"char", NULL, NARROW},
    {"uchar", NULL, NARROW}, {"short", NULL, NARROW}, {"ushort", NULL, NARROW}, {"int8_t", NULL, NARROW},
    {"uint8_t", NULL, NARROW}, {"int16_t", NULL, NARROW}, {"uint16_t", NULL, NARROW}, {"byte", NULL, NARROW},
    {"half", NULL, HALF}, {"float16_t", NULL, HALF}, {"__half", NULL, HALF}, {"f16", NULL, HALF},
    {"bfloat16", NULL, HALF}, {"bfloat", NULL, HALF}, {"__nv_bfloat16", NULL, HALF},
    {"struct", NULL, "there are no structs: write their members as scalars"},
    {"union", NULL, "as_uint, as_int and as_float look at a number's bits"}, {"typedef", NULL, "write the type itself"},
    {"enum", NULL, "write 'const int NAME = 1;' in the header"},
    {"template", NULL, "a parameter of FM_DTYPE_NONE takes the dtype of each binding"},
    {"sizeof", NULL, "int, uint and float have 4 bytes, long and ulong 8"}, {"NULL", NULL, "there are no pointers"},
    // Flow.
    {"switch", NULL, "write if and else if"}, {"case", NULL, "write if and else if"},
    {"default", NULL, "write if and else if"},
    {"goto", NULL, "write a loop with break, or a helper function with return"}, {"discard", NULL, "write return;"},
    {"assert", NULL, NO_OUTPUT}, {"printf", NULL, NO_OUTPUT}, {"debugPrintfEXT", NULL, NO_OUTPUT},
    {"puts", NULL, NO_OUTPUT}, {"malloc", NULL, NO_MEMORY}, {"calloc", NULL, NO_MEMORY}, {"free", NULL, NO_MEMORY},
    {"new", NULL, NO_MEMORY}, {"memcpy", NULL, COPY_LOOP}, {"memset", NULL, COPY_LOOP}, {"memmove", NULL, COPY_LOOP},
    {"__ldg", NULL, "write x[i]"}, {"exit", NULL, "write return;"}, {"abort", NULL, "write return;"},
    {"__trap", NULL, "write return;"},
    // Barriers and exchange between work-items.
    {"__syncthreads", "barrier", NULL}, {"threadgroup_barrier", "barrier", NULL}, {"workgroupBarrier", "barrier", NULL},
    {"GroupMemoryBarrierWithGroupSync", "barrier", NULL}, {"AllMemoryBarrierWithGroupSync", "barrier", NULL},
    {"work_group_barrier", "barrier", NULL}, {"controlBarrier", "barrier", NULL}, {"syncthreads", "barrier", NULL},
    {"memoryBarrier*", NULL, FENCE}, {"groupMemoryBarrier", NULL, FENCE}, {"GroupMemoryBarrier", NULL, FENCE},
    {"DeviceMemoryBarrier*", NULL, FENCE}, {"AllMemoryBarrier", NULL, FENCE}, {"__threadfence*", NULL, FENCE},
    {"mem_fence", NULL, FENCE}, {"storageBarrier", NULL, FENCE}, {"atomic_work_item_fence", NULL, FENCE},
    {"__syncwarp", NULL, NO_EXCHANGE}, {"simdgroup_barrier", NULL, NO_EXCHANGE}, {"__shfl*", NULL, LANES},
    {"__ballot*", NULL, NO_EXCHANGE}, {"__any*", NULL, NO_EXCHANGE}, {"__all*", NULL, NO_EXCHANGE},
    {"__reduce_add_sync", "subgroup_add", NULL}, {"__reduce_min_sync", "subgroup_min", NULL},
    {"__reduce_max_sync", "subgroup_max", NULL}, {"simd_sum", "subgroup_add", NULL}, {"simd_min", "subgroup_min", NULL},
    {"simd_max", "subgroup_max", NULL}, {"simd_broadcast", "subgroup_broadcast", NULL},
    {"WaveActiveSum", "subgroup_add", NULL}, {"WaveActiveMin", "subgroup_min", NULL},
    {"WaveActiveMax", "subgroup_max", NULL}, {"WaveReadLaneAt", "subgroup_broadcast", NULL},
    {"WaveGetLaneCount", "subgroup_size", NULL}, {"WaveGetLaneIndex", "subgroup_lane", NULL},
    {"subgroupAdd", "subgroup_add", NULL}, {"subgroupMin", "subgroup_min", NULL}, {"subgroupMax", "subgroup_max", NULL},
    {"subgroupBroadcast", "subgroup_broadcast", NULL}, {"sub_group_reduce_add", "subgroup_add", NULL},
    {"sub_group_reduce_min", "subgroup_min", NULL}, {"sub_group_reduce_max", "subgroup_max", NULL},
    {"sub_group_broadcast", "subgroup_broadcast", NULL}, {"gl_SubgroupSize", "subgroup_size", NULL},
    {"gl_SubgroupInvocationID", "subgroup_lane", NULL}, {"__activemask", NULL, NO_EXCHANGE},
    {"warpSize", "subgroup_size", NULL}, {"WARP_SIZE", "subgroup_size", NULL}, {"laneId", "subgroup_lane", NULL},
    {"lane_id", "subgroup_lane", NULL}, {"subgroup*", NULL, LANES}, {"sub_group*", NULL, LANES},
    {"gl_Subgroup*", NULL, LANES}, {"simd_*", NULL, LANES}, {"Wave*", NULL, LANES},
    {"work_group_reduce*", NULL, NO_EXCHANGE},
    // Atomics.
    {"atomicCAS", "atomic_compare_exchange", NULL}, {"atomicExch", "atomic_exchange", NULL},
    {"atomicSub", NULL, "write atomic_add(x[i], -value)"}, {"atomicInc", NULL, "write atomic_add(x[i], 1u)"},
    {"atomic_inc", NULL, "write atomic_add(x[i], 1u)"}, {"atomicDec", NULL, "write atomic_add(x[i], -1)"},
    {"atomic_dec", NULL, "write atomic_add(x[i], -1)"}, {"atomic_sub", NULL, "write atomic_add(x[i], -value)"},
    {"atomicLoad", NULL, "write atomic_or(x[i], 0u)"}, {"atomicStore", "atomic_exchange", NULL},
    {"InterlockedAdd", "atomic_add", NULL}, {"InterlockedMin", "atomic_min", NULL},
    {"InterlockedMax", "atomic_max", NULL}, {"InterlockedAnd", "atomic_and", NULL},
    {"InterlockedOr", "atomic_or", NULL}, {"InterlockedXor", "atomic_xor", NULL},
    {"InterlockedExchange", "atomic_exchange", NULL}, {"InterlockedCompareExchange", "atomic_compare_exchange", NULL},
    {"atomic_xchg", "atomic_exchange", NULL}, {"atomic_cmpxchg", "atomic_compare_exchange", NULL},
    {"atomic_fetch_add*", "atomic_add", NULL}, {"atomic_fetch_min*", "atomic_min", NULL},
    {"atomic_fetch_max*", "atomic_max", NULL}, {"atomic_fetch_and*", "atomic_and", NULL},
    {"atomic_fetch_or*", "atomic_or", NULL}, {"atomic_fetch_xor*", "atomic_xor", NULL},
    {"atomic_compare_exchange_*", "atomic_compare_exchange", NULL},
    {"atomic_exchange_explicit", "atomic_exchange", NULL},
    // Numbers and their bits.
    {"fmax", "max", NULL}, {"fmin", "min", NULL}, {"fabs", "abs", NULL}, {"mad", "fma", NULL}, {"lerp", "mix", NULL},
    {"frac", "fract", NULL}, {"saturate", NULL, "write clamp(v, 0.0, 1.0)"},
    {"__saturatef", NULL, "write clamp(v, 0.0, 1.0)"}, {"rcp", NULL, "write 1.0 / v"}, {"recip", NULL, "write 1.0 / v"},
    {"__fdividef", NULL, "write a / b"}, {"divide", NULL, "write a / b"}, {"mad24", NULL, "write a * b + c"},
    {"mul24", NULL, "write a * b"}, {"__mul24", NULL, "write a * b"}, {"umin", "min", NULL}, {"umax", "max", NULL},
    {"dot", NULL, NO_VECTORS}, {"cross", NULL, NO_VECTORS}, {"length", NULL, NO_VECTORS},
    {"normalize", NULL, NO_VECTORS}, {"distance", NULL, NO_VECTORS}, {"make_float*", NULL, NO_VECTORS},
    {"make_int*", NULL, NO_VECTORS}, {"make_uint*", NULL, NO_VECTORS}, {"step", NULL, "write v < edge ? 0.0 : 1.0"},
    {"smoothstep", NULL, "write t * t * (3.0 - 2.0 * t) with t = clamp((v - a) / (b - a), 0.0, 1.0)"},
    {"mod", NULL, "write a - b * floor(a / b), or fmod(a, b), which has the sign of a"},
    {"select", NULL, "write condition ? yes : no"}, {"ternary", NULL, "write condition ? yes : no"},
    {"hypot", NULL, "write sqrt(a * a + b * b)"}, {"cbrt", NULL, "write sign(v) * pow(abs(v), 1.0 / 3.0)"},
    {"log10", NULL, "write log(v) * 0.43429448"}, {"log1p", NULL, "write log(1.0 + v)"},
    {"expm1", NULL, "write exp(v) - 1.0"}, {"sigmoid", NULL, "write 1.0 / (1.0 + exp(-v))"},
    {"sincos", NULL, "call sin and cos"}, {"sinpi", NULL, "write sin(3.14159265 * v)"},
    {"cospi", NULL, "write cos(3.14159265 * v)"}, {"ldexp", NULL, "write v * exp2(float(n))"},
    {"pown", NULL, "write pow(v, float(n))"}, {"powr", "pow", NULL}, {"radians", NULL, "write v * 0.0174532925"},
    {"degrees", NULL, "write v * 57.2957795"}, {"isfinite", NULL, "write !isnan(v) && !isinf(v)"},
    {"roundEven", "rint", NULL}, {"nearbyint", "rint", NULL}, {"lrint", "rint", NULL},
    {"copysign", NULL, "write as_float((as_uint(a) & 0x7fffffffu) | (as_uint(b) & 0x80000000u))"},
    {"swap", NULL, "write it with a third variable"}, {"bitCount", "popcount", NULL}, {"__popc", "popcount", NULL},
    {"popc", "popcount", NULL}, {"countbits", "popcount", NULL}, {"countOneBits", "popcount", NULL},
    {"__builtin_popcount", "popcount", NULL}, {"reverseBits", NULL, BITS}, {"__brev", NULL, BITS},
    {"bitfieldExtract", NULL, BITS}, {"bitfieldInsert", NULL, BITS}, {"bitfieldReverse", NULL, BITS},
    {"__byte_perm", NULL, BITS}, {"extractBits", NULL, BITS}, {"insertBits", NULL, BITS}, {"rotate", NULL, BITS},
    {"__funnelshift_l", NULL, BITS}, {"float_as_int", "as_int", NULL}, {"__float_as_int", "as_int", NULL},
    {"asint", "as_int", NULL}, {"floatBitsToInt", "as_int", NULL}, {"float_as_uint", "as_uint", NULL},
    {"__float_as_uint", "as_uint", NULL}, {"asuint", "as_uint", NULL}, {"floatBitsToUint", "as_uint", NULL},
    {"__uint_as_float", "as_float", NULL}, {"uint_as_float", "as_float", NULL}, {"asfloat", "as_float", NULL},
    {"uintBitsToFloat", "as_float", NULL}, {"__int_as_float", NULL, "write as_float(uint(v))"},
    {"int_as_float", NULL, "write as_float(uint(v))"}, {"intBitsToFloat", NULL, "write as_float(uint(v))"},
    {"bitcast", NULL, "as_uint, as_int and as_float look at a number's bits"},
    {"as_type", NULL, "as_uint, as_int and as_float look at a number's bits"},
    {"__float2half*", NULL, "a store to a half element converts by itself"},
    {"__half2float", NULL, "a half element is read as a float by itself"},
    {"static_cast", NULL, "a cast is written float(value)"},
    {"reinterpret_cast", NULL, "as_uint, as_int and as_float look at a number's bits"},
    {"convert_float*", NULL, "a cast is written float(value)"}, {"convert_int_sat*", "int_sat", NULL},
    {"convert_uint_sat*", "uint_sat", NULL}, {"convert_int*", NULL, "a cast is written int(value)"},
    {"convert_uint*", NULL, "a cast is written uint(value)"}, {"__clz", "clz", NULL}, {"__builtin_clz", "clz", NULL},
    {"countLeadingZeros", "clz", NULL}, {"__builtin_ctz", "ctz", NULL}, {"countTrailingZeros", "ctz", NULL},
    {"findLSB", "ctz", NULL}, {"firstbitlow", "ctz", NULL}, {"firstTrailingBit", "ctz", NULL},
    {"findMSB", NULL, "write 31 - int(clz(v))"}, {"firstbithigh", NULL, "write 31 - int(clz(v))"},
    {"firstLeadingBit", NULL, "write 31 - int(clz(v))"}, {"__ffs", NULL, "write v == 0u ? 0u : ctz(v) + 1u"},
    {"__float2int_rz", "int_sat", NULL}, {"__float2uint_rz", "uint_sat", NULL},
    {"__float2int_rn", NULL, "write int_sat(rint(v))"}, {"fmax_nan", "max_nan", NULL}, {"fmin_nan", "min_nan", NULL},
    {"__hmax_nan", "max_nan", NULL}, {"__hmin_nan", "min_nan", NULL},
    // Constants.
    {"HUGE_VALF", "INFINITY", NULL}, {"CUDART_INF_F", "INFINITY", NULL}, {"inf", "INFINITY", NULL},
    {"CUDART_NAN_F", "NAN", NULL}, {"nan", "NAN", NULL}, {"M_PI", NULL, "write 3.14159265"},
    {"M_PI_F", NULL, "write 3.14159265"}, {"PI", NULL, "write 3.14159265, or #define it in the header"},
    {"M_E", NULL, "write 2.71828183"}, {"M_PI_2", NULL, "write 1.57079633"}, {"M_SQRT2", NULL, "write 1.41421356"},
    {"M_LN2", NULL, "write 0.69314718"}, {"UINT_MAX", NULL, "write 4294967295u"}, {"INT_MAX", NULL, "write 2147483647"},
    {"INT_MIN", NULL, "write -2147483647 - 1"}, {"LONG_MAX", NULL, "write 9223372036854775807l"},
    {"ULONG_MAX", NULL, "write 18446744073709551615ul"}, {"UINT32_MAX", NULL, "write 4294967295u"},
    {"FLT_MAX", NULL, "write 3.4028234e38"}, {"FLT_MIN", NULL, "write 1.1754944e-38"},
    {"FLT_EPSILON", NULL, "write 1.1920929e-7"},
};
// clang-format on

static bool is_row(const struct hint *hint, const char *name, size_t length)
{
    size_t own = strlen(hint->name);
    bool is_open = hint->name[own - 1] == '*';
    own -= is_open;
    return (is_open ? length >= own : length == own) && memcmp(hint->name, name, own) == 0;
}

static const struct hint *find_row(const char *name, size_t length)
{
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (table[i].name[0] == name[0] && is_row(&table[i], name, length)) {
            return &table[i];
        }
    }
    return NULL;
}

// "float4", "uvec2", "mat3x3", "int16": a scalar's or matrix' name with numbers behind it.
static bool is_vector(const char *name, size_t length)
{
    static const char *const roots[] = {"float", "int",    "uint", "half",  "double", "char", "uchar",
                                        "short", "ushort", "long", "ulong", "bool",   "vec",  "ivec",
                                        "uvec",  "bvec",   "dvec", "hvec",  "mat",    "dmat", "simd_float"};
    size_t root = length;
    while (root > 0 && ((name[root - 1] >= '0' && name[root - 1] <= '9') || name[root - 1] == 'x')) {
        root--;
    }
    for (size_t i = 0; i < sizeof roots / sizeof roots[0] && root < length && name[length - 1] != 'x'; i++) {
        if (strlen(roots[i]) == root && memcmp(roots[i], name, root) == 0) {
            return true;
        }
    }
    return false;
}

// The function that `name` is but for what C, CUDA and OpenCL put around it: "__expf", "native_exp", "sqrtf".
static const char *find_core(const char *name, size_t length)
{
    static const char *const prefixes[] = {"__", "native_", "half_", "fast_", "precise_", ""};
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
        size_t skip = strlen(prefixes[i]);
        if (length <= skip || memcmp(name, prefixes[i], skip) != 0) {
            continue;
        }
        for (size_t cut = 0; cut < 2 && skip + cut < length; cut++) {
            const char *core = name + skip;
            size_t core_length = length - skip - cut;
            const fmi_term word = fmi_term_find(core, core_length);
            const struct hint *row = cut == 1 && name[length - 1] == 'f' ? find_row(core, core_length) : NULL;
            if (word.kind == FMI_TERM_FUNCTION && skip + cut > 0 && (cut == 0 || name[length - 1] == 'f')) {
                return word.builtin->name;
            }
            if (row && row->word) {
                return row->word;
            }
        }
    }
    return NULL;
}

void fmi_hint_find(const char *name, size_t length, char out[FMI_MAX_HINT])
{
    const struct hint *row = length ? find_row(name, length) : NULL;
    const char *word = row ? row->word : length ? fmi_term_of_target(name, length) : NULL;
    word = row || word ? word : find_core(name, length);
    out[0] = 0;
    if (word) {
        snprintf(out, FMI_MAX_HINT, "; here it is called '%s'", word);
    } else if (row || is_vector(name, length)) {
        snprintf(out, FMI_MAX_HINT, "; %s", row ? row->advice : NO_VECTORS);
    }
}

bool fmi_hint_at(size_t index, const char **out_name, const char **out_word, const char **out_advice)
{
    if (index >= sizeof table / sizeof table[0]) {
        return false;
    }
    *out_name = table[index].name;
    *out_word = table[index].word;
    *out_advice = table[index].advice;
    return true;
}

// Edits that turn one name into the other: letters put in, left out or changed.
static uint32_t measure(const char *a, size_t a_length, const char *b, size_t b_length)
{
    uint32_t row[MAX_SUGGESTED + 1];
    for (uint32_t j = 0; j <= b_length; j++) {
        row[j] = j;
    }
    for (uint32_t i = 1; i <= a_length; i++) {
        uint32_t corner = row[0];
        row[0] = i;
        for (uint32_t j = 1; j <= b_length; j++) {
            uint32_t least = corner + (a[i - 1] != b[j - 1]);
            corner = row[j];
            least = row[j] + 1 < least ? row[j] + 1 : least;
            row[j] = row[j - 1] + 1 < least ? row[j - 1] + 1 : least;
        }
    }
    return row[b_length];
}

uint32_t fmi_nearest_limit(size_t length)
{
    return 1u + (length > 2) + (length > 4);
}

void fmi_nearest_try(fmi_nearest *nearest, const char *name, size_t length)
{
    if (length > MAX_SUGGESTED || nearest->length > MAX_SUGGESTED) {
        return;
    }
    uint32_t edits = measure(nearest->name, nearest->length, name, length);
    if (edits < nearest->edits) {
        nearest->best = name;
        nearest->best_length = length;
        nearest->edits = edits;
    }
}

// Without underscores, in small letters; how many remain.
static size_t flatten(const char *name, size_t length, char out[MAX_SUGGESTED])
{
    size_t count = 0;
    for (size_t i = 0; i < length && count < MAX_SUGGESTED; i++) {
        bool is_capital = name[i] >= 'A' && name[i] <= 'Z';
        if (name[i] != '_') {
            out[count++] = (char)(is_capital ? name[i] + ('a' - 'A') : name[i]);
        }
    }
    return count;
}

void fmi_hint_find_id(const char *name, size_t length, char out[FMI_MAX_HINT])
{
    char written[MAX_SUGGESTED], flat[MAX_SUGGESTED];
    size_t written_length = flatten(name, length, written);
    fmi_nearest nearest = {.name = written, .length = written_length, .edits = fmi_nearest_limit(written_length)};
    const char *best = NULL;
    for (fmi_id id = FMI_ID_GLOBAL; id <= FMI_ID_SIZE; id++) {
        const char *word = fmi_id_name(id);
        uint32_t edits = nearest.edits;
        fmi_nearest_try(&nearest, flat, flatten(word, strlen(word), flat));
        best = nearest.edits < edits ? word : best;
    }
    out[0] = 0;
    if (best && length <= MAX_SUGGESTED) {
        snprintf(out, FMI_MAX_HINT, "; do you mean '%s'?", best);
    }
}

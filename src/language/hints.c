// The table of hints, and the search for what looks alike. See hints.h.
// Names that follow a rule have none: `expf`, `__expf`, `native_exp` and `half_exp` are found as `exp`, `float4` as a
// vector.
#include "language/hints.h"

#include "language/vocabulary.h"

#include <stdio.h>
#include <string.h>

enum { MAX_SUGGESTED = 24 };

static const char no_vectors[] = "there are no vectors: write their components as scalars";

// Our word, or advice where there is none, and the names that it is said of, with blanks between. One that ends in `*`
// stands for all that begin so and that no longer name of the table stands for.
// clang-format off
static const struct {
    const char *text;
    const char *names;
} table[] = {
    // Ids.
    {"local_id",
     "threadIdx get_local_id gl_LocalInvocationID SV_GroupThreadID GTid groupThreadID "
     "thread_position_in_threadgroup local_invocation_id tid lid thread_id"},
    {"group_id",
     "blockIdx get_group_id gl_WorkGroupID SV_GroupID groupID threadgroup_position_in_grid workgroup_id block_id"},
    {"group_size",
     "blockDim get_local_size gl_WorkGroupSize threads_per_threadgroup workgroup_size block_dim local_size"},
    {"group_count", "gridDim get_num_groups gl_NumWorkGroups threadgroups_per_grid num_workgroups grid_dim num_groups"},
    {"global_id",
     "get_global_id gl_GlobalInvocationID SV_DispatchThreadID DTid dispatchThreadID thread_position_in_grid "
     "global_invocation_id gid"},
    {"write group_count.x * group_size.x", "get_global_size threads_per_grid global_size"},
    {"write local_id.x + group_size.x * (local_id.y + group_size.y * local_id.z)",
     "gl_LocalInvocationIndex SV_GroupIndex groupIndex thread_index_in_threadgroup local_invocation_index"},
    // Memory spaces and signatures.
    {"workgroup-shared arrays are declared in fm_kernel_info.shared, not in the text",
     "__shared__ shared __local local threadgroup groupshared workgroup"},
    {"a declaration begins with its type, as in 'uint i = 0u;'", "var let auto"},
    {"buffers and constants are declared in fm_kernel_info, and the text is the body alone",
     "__global __constant __constant__ __kernel kernel __global__ uniform buffer layout cbuffer constant device "
     "RWStructuredBuffer StructuredBuffer"},
    {"the workgroup's size is fm_kernel_info.group_size", "numthreads __launch_bounds__"},
    {"leave this word out",
     "__device__ __host__ __forceinline__ __inline__ inline static register volatile restrict __restrict__ "
     "__restrict highp mediump lowp precise extern __private"},
    {"parameters of helper functions are by value", "in out inout"},
    // Types.
    {"uint", "uint32_t unsigned size_t u32"},
    {"int", "int32_t signed ptrdiff_t i32"},
    {"float", "f32 float32_t"},
    {"ulong", "uint64_t u64"},
    {"long", "int64_t i64"},
    {"bool", "_Bool"},
    {"8- and 16-bit numbers are dtypes of buffer elements, which a body sees as int, uint or float",
     "char uchar short ushort int8_t uint8_t int16_t uint16_t byte"},
    {"half is a dtype of buffer elements, which a body sees as float: write float",
     "half float16_t __half f16 bfloat16 bfloat __nv_bfloat16"},
    {"there are no structs: write their members as scalars", "struct"},
    {"as_uint, as_int and as_float look at a number's bits", "union bitcast as_type reinterpret_cast"},
    {"write the type itself", "typedef"},
    {"write 'const int NAME = 1;' in the header", "enum"},
    {"a parameter of FM_DTYPE_NONE takes the dtype of each binding", "template"},
    {"int, uint and float have 4 bytes, long and ulong 8", "sizeof"},
    {"there are no pointers", "NULL"},
    // Flow.
    {"write if and else if", "switch case default"},
    {"write a loop with break, or a helper function with return", "goto"},
    {"write return;", "discard exit abort __trap"},
    {"a kernel prints nothing: store to a buffer and read that back", "assert printf debugPrintfEXT puts"},
    {"memory is buffers, shared arrays and local arrays alone", "malloc calloc free new"},
    {"write a loop over the elements", "memcpy memset memmove"},
    {"write x[i]", "__ldg"},
    // Barriers and exchange between work-items.
    {"barrier",
     "__syncthreads threadgroup_barrier workgroupBarrier GroupMemoryBarrierWithGroupSync "
     "AllMemoryBarrierWithGroupSync work_group_barrier controlBarrier syncthreads"},
    {"barrier() orders shared arrays, and what one dispatch stores the next one sees",
     "memoryBarrier* groupMemoryBarrier GroupMemoryBarrier DeviceMemoryBarrier* AllMemoryBarrier __threadfence* "
     "mem_fence storageBarrier atomic_work_item_fence"},
    {"work-items exchange values through workgroup-shared arrays and barrier()",
     "__syncwarp simdgroup_barrier __ballot* __any* __all* __activemask work_group_reduce*"},
    {"of subgroups there are subgroup_add, subgroup_min, subgroup_max, "
     "subgroup_broadcast, subgroup_size and subgroup_lane",
     "__shfl* subgroup* sub_group* gl_Subgroup* simd_* Wave*"},
    {"subgroup_add", "__reduce_add_sync simd_sum WaveActiveSum subgroupAdd sub_group_reduce_add"},
    {"subgroup_min", "__reduce_min_sync simd_min WaveActiveMin subgroupMin sub_group_reduce_min"},
    {"subgroup_max", "__reduce_max_sync simd_max WaveActiveMax subgroupMax sub_group_reduce_max"},
    {"subgroup_broadcast", "simd_broadcast WaveReadLaneAt subgroupBroadcast sub_group_broadcast"},
    {"subgroup_size", "WaveGetLaneCount gl_SubgroupSize warpSize WARP_SIZE"},
    {"subgroup_lane", "WaveGetLaneIndex gl_SubgroupInvocationID laneId lane_id"},
    // Atomics.
    {"atomic_compare_exchange", "atomicCAS InterlockedCompareExchange atomic_cmpxchg atomic_compare_exchange_*"},
    {"atomic_exchange", "atomicExch atomicStore InterlockedExchange atomic_xchg atomic_exchange_explicit"},
    {"write atomic_add(x[i], -value)", "atomicSub atomic_sub"},
    {"write atomic_add(x[i], 1u)", "atomicInc atomic_inc"},
    {"write atomic_add(x[i], -1)", "atomicDec atomic_dec"},
    {"write atomic_or(x[i], 0u)", "atomicLoad"},
    {"atomic_add", "InterlockedAdd atomic_fetch_add*"},
    {"atomic_min", "InterlockedMin atomic_fetch_min*"},
    {"atomic_max", "InterlockedMax atomic_fetch_max*"},
    {"atomic_and", "InterlockedAnd atomic_fetch_and*"},
    {"atomic_or", "InterlockedOr atomic_fetch_or*"},
    {"atomic_xor", "InterlockedXor atomic_fetch_xor*"},
    // Numbers and their bits.
    {"max", "fmax umax"},
    {"min", "fmin umin"},
    {"abs", "fabs"},
    {"fma", "mad"},
    {"mix", "lerp"},
    {"fract", "frac"},
    {"write clamp(v, 0.0, 1.0)", "saturate __saturatef"},
    {"write 1.0 / v", "rcp recip"},
    {"write a / b", "__fdividef divide"},
    {"write a * b + c", "mad24"},
    {"write a * b", "mul24 __mul24"},
    {no_vectors,
     "dot cross length normalize distance make_float* make_int* make_uint*"},
    {"write v < edge ? 0.0 : 1.0", "step"},
    {"write t * t * (3.0 - 2.0 * t) with t = clamp((v - a) / (b - a), 0.0, 1.0)", "smoothstep"},
    {"write a - b * floor(a / b), or fmod(a, b), which has the sign of a", "mod"},
    {"write condition ? yes : no", "select ternary"},
    {"write sqrt(a * a + b * b)", "hypot"},
    {"write sign(v) * pow(abs(v), 1.0 / 3.0)", "cbrt"},
    {"write log(v) * 0.43429448", "log10"},
    {"write log(1.0 + v)", "log1p"},
    {"write exp(v) - 1.0", "expm1"},
    {"write 1.0 / (1.0 + exp(-v))", "sigmoid"},
    {"call sin and cos", "sincos"},
    {"write sin(3.14159265 * v)", "sinpi"},
    {"write cos(3.14159265 * v)", "cospi"},
    {"write v * exp2(float(n))", "ldexp"},
    {"write pow(v, float(n))", "pown"},
    {"pow", "powr"},
    {"write v * 0.0174532925", "radians"},
    {"write v * 57.2957795", "degrees"},
    {"write !isnan(v) && !isinf(v)", "isfinite"},
    {"rint", "roundEven nearbyint lrint"},
    {"write as_float((as_uint(a) & 0x7fffffffu) | (as_uint(b) & 0x80000000u))", "copysign"},
    {"write it with a third variable", "swap"},
    {"popcount", "bitCount __popc popc countbits countOneBits __builtin_popcount"},
    {"write it with shifts and masks",
     "reverseBits __brev bitfieldExtract bitfieldInsert bitfieldReverse __byte_perm extractBits insertBits rotate "
     "__funnelshift_l"},
    {"as_int", "float_as_int __float_as_int asint floatBitsToInt"},
    {"as_uint", "float_as_uint __float_as_uint asuint floatBitsToUint"},
    {"as_float", "__uint_as_float uint_as_float asfloat uintBitsToFloat"},
    {"write as_float(uint(v))", "__int_as_float int_as_float intBitsToFloat"},
    {"a store to a half element converts by itself", "__float2half*"},
    {"a half element is read as a float by itself", "__half2float"},
    {"a cast is written float(value)", "static_cast convert_float*"},
    {"int_sat", "convert_int_sat* __float2int_rz"},
    {"uint_sat", "convert_uint_sat* __float2uint_rz"},
    {"a cast is written int(value)", "convert_int*"},
    {"a cast is written uint(value)", "convert_uint*"},
    {"clz", "__clz __builtin_clz countLeadingZeros"},
    {"ctz", "__builtin_ctz countTrailingZeros findLSB firstbitlow firstTrailingBit"},
    {"write 31 - int(clz(v))", "findMSB firstbithigh firstLeadingBit"},
    {"write v == 0u ? 0u : ctz(v) + 1u", "__ffs"},
    {"write int_sat(rint(v))", "__float2int_rn"},
    {"max_nan", "fmax_nan __hmax_nan"},
    {"min_nan", "fmin_nan __hmin_nan"},
    // Constants.
    {"INFINITY", "HUGE_VALF CUDART_INF_F inf"},
    {"NAN", "CUDART_NAN_F nan"},
    {"write 3.14159265", "M_PI M_PI_F"},
    {"write 3.14159265, or #define it in the header", "PI"},
    {"write 2.71828183", "M_E"},
    {"write 1.57079633", "M_PI_2"},
    {"write 1.41421356", "M_SQRT2"},
    {"write 0.69314718", "M_LN2"},
    {"write 4294967295u", "UINT_MAX UINT32_MAX"},
    {"write 2147483647", "INT_MAX"},
    {"write -2147483647 - 1", "INT_MIN"},
    {"write 9223372036854775807l", "LONG_MAX"},
    {"write 18446744073709551615ul", "ULONG_MAX"},
    {"write 3.4028234e38", "FLT_MAX"},
    {"write 1.1754944e-38", "FLT_MIN"},
    {"write 1.1920929e-7", "FLT_EPSILON"},
};
// clang-format on

// The longest of the names that `name` is, or begins with; 0: none.
static size_t match(const char *names, const char *name, size_t length)
{
    size_t best = 0;
    for (const char *at = names; *at; at += strspn(at, " ")) {
        size_t own = strcspn(at, " ");
        bool is_open = at[own - 1] == '*';
        bool is_it = (is_open ? length >= own - 1 : length == own) && memcmp(at, name, own - is_open) == 0;
        best = is_it && own > best ? own : best;
        at += own;
    }
    return best;
}

static const char *find_text(const char *name, size_t length)
{
    const char *text = NULL;
    size_t best = 0;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        size_t own = match(table[i].names, name, length);
        text = own > best ? table[i].text : text;
        best = own > best ? own : best;
    }
    return text;
}

static bool is_word(const char *text)
{
    return fmi_term_find(text, strlen(text)).kind != FMI_TERM_NONE;
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
            const char *text = cut == 1 && name[length - 1] == 'f' ? find_text(core, core_length) : NULL;
            if (word.kind == FMI_TERM_FUNCTION && skip + cut > 0 && (cut == 0 || name[length - 1] == 'f')) {
                return word.builtin->name;
            }
            if (text && is_word(text)) {
                return text;
            }
        }
    }
    return NULL;
}

void fmi_hint_find(const char *name, size_t length, char out[FMI_MAX_HINT])
{
    const char *text = find_text(name, length);
    text = text ? text : fmi_term_of_target(name, length);
    text = text ? text : find_core(name, length);
    text = text ? text : is_vector(name, length) ? no_vectors : "";
    bool is_ours = is_word(text);
    snprintf(out, FMI_MAX_HINT, "%s%s%s",
             is_ours ? "; here it is called '"
             : *text ? "; "
                     : "",
             text, is_ours ? "'" : "");
}

bool fmi_hint_at(size_t index, const char **out_text, const char **out_names)
{
    bool is_row = index < sizeof table / sizeof table[0];
    *out_text = is_row ? table[index].text : NULL;
    *out_names = is_row ? table[index].names : NULL;
    return is_row;
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

// The work of suites `threads` and `latency`: kernels that every contender runs alike, and what their buffers must hold afterwards.
// A kernel works in place on memory of its own slot, so that two dispatches of a slot depend on each other; each adds to counters,
// so that a dispatch which is lost, runs twice or overlaps its successor shows as a wrong number. Knows no API. Any thread.
#ifndef FERMATA_BENCH_WORKLOAD_H
#define FERMATA_BENCH_WORKLOAD_H

#include <stdbool.h>
#include <stdint.h>

enum {
    WORK_GROUP = 64,   // work-items in a workgroup
    WORK_THREADS = 16, // threads at most
    WORK_SLOTS = 16,   // chains in flight a thread at most; each has counters of its own
    WORK_MATRICES = 4, // slots of a thread that have room for a product
    WORK_CHECKED = 4,  // counters of the one-workgroup kernel that are checked: its work-items go wrong together
};

// The kinds of work, in the order of the table. X(identifier, name on the command line, what it is).
#define WORK_KINDS(X)                                                                                                  \
    X(TINY, "tiny", "one workgroup, nothing to do")                                                                    \
    X(SHORT, "2us", "one workgroup for 2 microseconds")                                                                \
    X(LONG, "80us", "one workgroup for 80 microseconds")                                                               \
    X(MATMUL, "matmul", "a matrix product over the whole device")

typedef enum work_kind {
#define WORK_ENUM(identifier, name, summary) WORK_##identifier,
    WORK_KINDS(WORK_ENUM)
#undef WORK_ENUM
        WORK_KIND_COUNT,
} work_kind;

// What a device runs, settled before anything is measured.
typedef struct workload {
    uint32_t iterations[WORK_KIND_COUNT];          // of the loop of the one-workgroup kernel; void for the product
    uint32_t added[WORK_KIND_COUNT][WORK_CHECKED]; // what one dispatch adds to the counters that are checked
    uint32_t n;     // rows and columns of the product's matrices; a multiple of WORK_GROUP
    float *a, *b;   // n * n each: small whole numbers
    float *product; // what a times b is
} workload;

// Workgroups of a dispatch; also the counters that a slot has of this kind, times the work-items that count.
static inline uint32_t work_groups(const workload *w, work_kind kind)
{
    return kind == WORK_MATMUL ? w->n * w->n / WORK_GROUP : 1;
}

// Counters of a slot: one a work-item of the one-workgroup kernel, one a workgroup of the product.
static inline uint32_t work_counters(const workload *w, work_kind kind)
{
    return kind == WORK_MATMUL ? work_groups(w, kind) : WORK_GROUP;
}

// Room for the counters of either kind, in bytes.
static inline uint64_t work_counter_bytes(const workload *w)
{
    uint32_t most = work_groups(w, WORK_MATMUL);
    return (most > WORK_GROUP ? most : WORK_GROUP) * sizeof(uint32_t);
}

static inline uint64_t work_matrix_bytes(const workload *w)
{
    return (uint64_t)w->n * w->n * sizeof(float);
}

// Names and summaries, by kind.
extern const char *const work_names[WORK_KIND_COUNT];
extern const char *const work_summaries[WORK_KIND_COUNT];

// Makes matrices of n * n and their product. False, with a message on stderr: no memory is left.
bool workload_create(uint32_t n, workload *out);
void workload_destroy(workload *w);

// Sets the iterations of a kind, and what they add.
void workload_settle(workload *w, work_kind kind, uint32_t iterations);

// Are a slot's counters (and the product `c`, for that kind) right after `dispatches` dispatches on zeroed memory? False, with a
// message on stderr that names `who`, if one is not.
bool workload_check(const workload *w, work_kind kind, uint64_t dispatches, const uint32_t *counters, const float *c,
                    const char *who);

// The bodies of the kernels in the portable language: the statements of the GLSL and PTX forms, too.
#define WORK_SPIN_BODY                                                                                                 \
    "uint x = local_id.x;\n"                                                                                           \
    "for (uint k = 0u; k < iterations; k++) { x = x * 1664525u + 1013904223u; x = x ^ (x >> 15u); }\n"                 \
    "counters[local_id.x] = counters[local_id.x] + (x | 1u);\n"
#define WORK_MATMUL_BODY                                                                                               \
    "uint row = global_id.x / n;\n"                                                                                    \
    "uint column = global_id.x % n;\n"                                                                                 \
    "float sum = 0.0;\n"                                                                                               \
    "for (uint k = 0u; k < n; k++) { sum = sum + a[row * n + k] * b[k * n + column]; }\n"                              \
    "c[global_id.x] = sum;\n"                                                                                          \
    "if (local_id.x == 0u) { counters[group_id.x] = counters[group_id.x] + 1u; }\n"

#endif

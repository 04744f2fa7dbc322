// Loops that make many trips. A work-item's loops make as many as the text says, or the list fails and says why: a driver may end them all after
// 65,535 trips together (docs/drivers.md), and then a result that is wrong must not pass for one that is right.
#include "groups.h"
#include "support.h"

typedef struct form {
    const char *what;
    const char *header;
    const char *body; // makes n * m trips, and gives their number
} form;

static const form forms[] = {
    {"one loop", NULL, "uint t = 0u; for (uint i = 0u; i < n * m; i++) t += x[i & 63u]; y[0] = t;"},
    {"nested loops", NULL,
     "uint t = 0u; for (uint j = 0u; j < m; j++) for (uint i = 0u; i < n; i++) t += x[(i + j) & 63u]; y[0] = t;"},
    {"a while loop", NULL, "uint t = 0u, i = 0u; while (i < n * m) { t += x[i & 63u]; i++; } y[0] = t;"},
    {"do, left by break", NULL, "uint t = 0u; do { if (t == n * m) break; t += x[t & 63u]; } while (true); y[0] = t;"},
    {"a helper's loop, left by return",
     "uint f(uint n) { uint t = 0u; for (;;) { if (t == n) return t; t += (t | 1u) / (t | 1u); } }",
     "uint t = 0u; for (uint j = 0u; j < m; j++) t += f(n); y[0] = t;"},
    {"a body that returns from a loop", NULL,
     "uint t = 0u; for (;;) { t += x[t & 63u]; if (t == n * m) { y[0] = t; return; } }"},
    {"loops one after the other", NULL,
     "uint t = 0u; for (uint i = 0u; i < n * m / 2u; i++) t += x[i & 63u];\n"
     "for (uint i = n * m / 2u; i < n * m; i++) t += x[i & 63u]; y[0] = t;"},
};

typedef struct counts {
    uint32_t n;
    uint32_t m;
} counts;

// The list's status; what it gave in `*out`.
static fm_status run(ct_fixture *f, fm_kernel kernel, counts trips, uint32_t *out)
{
    uint32_t ones[64];
    for (int i = 0; i < 64; i++) ones[i] = 1;
    fm_buffer x = ct_buffer_of(f, ones, sizeof ones), y = ct_buffer(f, 4);
    fm_commands *commands = ct_begin(f);
    fm_dispatch_info info =
        ct_dispatch_info(kernel, 1, CT_BINDINGS({.buffer = x}, {.buffer = y}), &trips, sizeof trips);
    CT_OK(fm_dispatch(commands, &info));
    fm_status status = fm_point_wait(f->device, ct_commit(&commands, f->stream), CT_TIMEOUT_NS);
    if (status == FM_ERROR_KERNEL_FAILED) {
        char says[512];
        snprintf(says, sizeof says, "%s", fm_last_error());
        if (!strstr(says, "kernel 'argmax': a work-item's loops made 6553")) fail_msg("the sentence is '%s'", says);
        CT_OK(fm_stream_reset(f->device, f->stream, CT_TIMEOUT_NS));
    } else {
        CT_OK(status);
    }
    ct_read(f, y, 0, 4, out);
    CT_OK(fm_buffer_destroy(f->device, x));
    CT_OK(fm_buffer_destroy(f->device, y));
    return status;
}

static fm_kernel make(ct_fixture *f, const form *one, const char *name, uint32_t group_size)
{
    fm_kernel_info info = {.name = name,
                           .header = one->header,
                           .code = one->body,
                           .params = (const fm_kernel_param[]){{"x", FM_DTYPE_U32, FM_ACCESS_READ},
                                                               {"y", FM_DTYPE_U32, FM_ACCESS_READ_WRITE}},
                           .param_count = 2,
                           .constants = (const fm_kernel_constant[]){{"n", FM_DTYPE_U32}, {"m", FM_DTYPE_U32}},
                           .constant_count = 2,
                           .group_size = {group_size, 1, 1}};
    fm_kernel kernel = {0};
    CT_OK(fm_kernel_create(f->device, &info, &kernel));
    return kernel;
}

static void loop_makes_all_its_trips_or_fails_its_list(void **state)
{
    ct_fixture *f = *state;
    static const counts trips[] = {{1, 1}, {100, 300}, {1000, 64}, {65536, 1}, {300, 300}, {128256, 1}, {1024, 1024}};
    for (size_t k = 0; k < sizeof forms / sizeof forms[0]; k++) {
        fm_kernel same = make(f, &forms[k], "same text", 1); // shares no code, or its name would be in the sentence
        fm_kernel kernel = make(f, &forms[k], "argmax", k % 2 ? 1 : 64);
        for (size_t i = 0; i < sizeof trips / sizeof trips[0]; i++) {
            uint32_t got = 0, wanted = trips[i].n * trips[i].m;
            fm_status status = run(f, kernel, trips[i], &got);
            if (status == FM_OK && got != wanted) {
                fail_msg("%s, %u x %u trips: %u, and the list is complete", forms[k].what, trips[i].n, trips[i].m, got);
            }
            if (status != FM_OK && wanted <= 64000) fail_msg("%s: %u trips fail the list", forms[k].what, wanted);
            if (status != FM_OK && f->properties.kind == FM_DEVICE_HOST) fail_msg("%s fails on host", forms[k].what);
        }
        CT_OK(fm_kernel_destroy(f->device, kernel));
        CT_OK(fm_kernel_destroy(f->device, same));
    }
}

// A group that fills no vector of the driver: only its own work-items count.
static void loop_that_waits_for_memory_ends_in_small_groups(void **state)
{
    ct_fixture *f = *state;
    const form one = {"small group", NULL,
                      "y[0] = 0u; uint t = 0u; do t += x[t]; while (t < n && x[t] < 2u); y[0] = t;"};
    fm_kernel kernel = make(f, &one, "argmax", 1);
    uint32_t got = 0;
    CT_OK(run(f, kernel, (counts){5, 1}, &got));
    assert_int_equal(got, 5);
    const form two = {"stored", NULL, "y[0] = 0u; do y[0] += x[0]; while (y[0] < n);"};
    fm_kernel other = make(f, &two, "argmax", 1);
    CT_OK(run(f, other, (counts){5, 1}, &got));
    assert_int_equal(got, 5);
}

int ct_group_loops(void)
{
    const struct CMUnitTest tests[] = {
        CT_TEST(loop_makes_all_its_trips_or_fails_its_list),
        CT_TEST(loop_that_waits_for_memory_ends_in_small_groups),
    };
    return cmocka_run_group_tests_name("loops", tests, NULL, NULL);
}

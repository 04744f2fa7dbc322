// Workgroups: arrays that their work-items share, barriers, and what happens where a work-item misses one.
// Every result is computed on the CPU as well; work-items read what their neighbours wrote, so a barrier that does nothing shows.
#include "groups.h"
#include "support.h"

static fm_kernel create(ct_fixture *f, const fm_kernel_info *info)
{
    fm_kernel kernel = {0};
    CT_OK(fm_kernel_create(f->device, info, &kernel));
    return kernel;
}

// y[group] = sum of the group's 256 elements of x, by halving in shared memory.
static void shared_sums_are_those_of_the_reference(void **state)
{
    ct_fixture *f = *state;
    enum { GROUPS = 37, COUNT = GROUPS * 256 - 100 };
    const fm_kernel_info info = {
        .name = "sums",
        .code = "uint i = global_id.x, l = local_id.x;\n"
                "part[l] = i < n ? x[i] : 0u;\n"
                "barrier();\n"
                "for (uint step = 128u; step > 0u; step >>= 1) {\n"
                "    if (l < step) part[l] += part[l + step];\n"
                "    barrier();\n"
                "}\n"
                "if (l == 0u) y[group_id.x] = part[0];\n",
        .params = (const fm_kernel_param[]){{"x", FM_DTYPE_U32, FM_ACCESS_READ}, {"y", FM_DTYPE_U32, FM_ACCESS_WRITE}},
        .param_count = 2,
        .constants = &(const fm_kernel_constant){"n", FM_DTYPE_U32},
        .constant_count = 1,
        .shared = &(const fm_kernel_shared){"part", FM_DTYPE_U32, 256},
        .shared_count = 1,
        .group_size = {256, 1, 1},
    };
    fm_kernel kernel = create(f, &info);
    static uint32_t x[COUNT];
    ct_random random = {11};
    for (uint32_t i = 0; i < COUNT; i++) x[i] = (uint32_t)ct_random_next(&random);
    fm_buffer from = ct_buffer_of(f, x, sizeof x), to = ct_buffer(f, GROUPS * 4);
    const uint32_t count = COUNT;
    fm_commands *commands = ct_begin(f);
    CT_OK(fm_fill(commands, to, 0, FM_WHOLE_SIZE, 0xA5A5A5A5));
    fm_dispatch_info dispatch =
        ct_dispatch_info(kernel, GROUPS, CT_BINDINGS({.buffer = from}, {.buffer = to}), &count, sizeof count);
    CT_OK(fm_dispatch(commands, &dispatch));
    ct_finish(f, commands);
    uint32_t y[GROUPS];
    ct_read(f, to, 0, sizeof y, y);
    for (uint32_t g = 0; g < GROUPS; g++) {
        uint32_t sum = 0;
        for (uint32_t i = g * 256; i < (g + 1) * 256 && i < COUNT; i++) sum += x[i];
        assert_int_equal(y[g], sum);
    }
}

// Each item turns three arrays of three types round, over three axes, a few times; locals live across the barriers.
static void shared_arrays_of_every_type_and_axis_are_exchanged(void **state)
{
    ct_fixture *f = *state;
    enum { ITEMS = 4 * 3 * 5, GROUPS = 6 };
    const fm_kernel_info info = {
        .name = "turn",
        .code = "uint l = (local_id.z * group_size.y + local_id.y) * group_size.x + local_id.x;\n"
                "uint all = group_size.x * group_size.y * group_size.z;\n"
                "uint group = (group_id.z * group_count.y + group_id.y) * group_count.x + group_id.x;\n"
                "float a = float(l) + 0.5f; int b = -int(l); uint c = 7u * l + group;\n"
                "for (int k = 0; k < 5; k++) {\n"
                "    fs[l] = a; is[l] = b; us[l] = c;\n"
                "    barrier();\n"
                "    uint next = (l + 1u) % all;\n"
                "    a = fs[next]; b = is[next]; c = us[next];\n"
                "    barrier();\n"
                "}\n"
                "uint at = 3u * (group * all + l);\n"
                "x[at] = uint(a); x[at + 1u] = uint(-b); x[at + 2u] = c;\n",
        .params = &(const fm_kernel_param){"x", FM_DTYPE_U32, FM_ACCESS_WRITE},
        .param_count = 1,
        .shared = (const fm_kernel_shared[]){{"fs", FM_DTYPE_F32, ITEMS},
                                             {"is", FM_DTYPE_I32, ITEMS},
                                             {"us", FM_DTYPE_U32, ITEMS}},
        .shared_count = 3,
        .group_size = {4, 3, 5},
    };
    fm_kernel kernel = create(f, &info);
    fm_buffer buffer = ct_buffer(f, 12 * ITEMS * GROUPS);
    fm_dispatch_info dispatch = ct_dispatch_info(kernel, 3, CT_BINDINGS({.buffer = buffer}), NULL, 0);
    dispatch.group_count[1] = 2;
    fm_commands *commands = ct_begin(f);
    CT_OK(fm_dispatch(commands, &dispatch));
    ct_finish(f, commands);
    static uint32_t words[3 * ITEMS * GROUPS];
    ct_read(f, buffer, 0, sizeof words, words);
    for (uint32_t i = 0; i < ITEMS * GROUPS; i++) {
        uint32_t from = (i % ITEMS + 5) % ITEMS;
        assert_int_equal(words[3 * i], from);
        assert_int_equal(words[3 * i + 1], from);
        assert_int_equal(words[3 * i + 2], 7 * from + i / ITEMS);
    }
}

// Atomics on shared elements: a histogram of each group.
static void shared_atomics_count_every_work_item(void **state)
{
    ct_fixture *f = *state;
    enum { GROUPS = 20, BINS = 16 };
    const fm_kernel_info info = {
        .name = "histogram",
        .code = "uint l = local_id.x;\n"
                "if (l < 16u) bins[l] = 0u;\n"
                "if (l == 0u) top[0] = -1;\n"
                "barrier();\n"
                "atomic_add(bins[(l * l + group_id.x) & 15u], 1u);\n"
                "atomic_max(top[0], int(l ^ 5u));\n"
                "barrier();\n"
                "if (l < 16u) x[group_id.x * 17u + l] = bins[l];\n"
                "if (l == 0u) x[group_id.x * 17u + 16u] = uint(top[0]);\n",
        .params = &(const fm_kernel_param){"x", FM_DTYPE_U32, FM_ACCESS_WRITE},
        .param_count = 1,
        .shared = (const fm_kernel_shared[]){{"bins", FM_DTYPE_U32, BINS}, {"top", FM_DTYPE_I32, 1}},
        .shared_count = 2,
        .group_size = {100, 1, 1},
    };
    fm_kernel kernel = create(f, &info);
    fm_buffer buffer = ct_buffer(f, GROUPS * (BINS + 1) * 4);
    fm_commands *commands = ct_begin(f);
    fm_dispatch_info dispatch = ct_dispatch_info(kernel, GROUPS, CT_BINDINGS({.buffer = buffer}), NULL, 0);
    CT_OK(fm_dispatch(commands, &dispatch));
    ct_finish(f, commands);
    uint32_t words[GROUPS * (BINS + 1)];
    ct_read(f, buffer, 0, sizeof words, words);
    for (uint32_t g = 0; g < GROUPS; g++) {
        uint32_t bins[BINS + 1] = {0};
        for (uint32_t l = 0; l < 100; l++) {
            bins[(l * l + g) & 15]++;
            if ((l ^ 5) > bins[BINS]) bins[BINS] = l ^ 5;
        }
        assert_memory_equal(&words[g * (BINS + 1)], bins, sizeof bins);
    }
}

// Each atomic on a shared int and a shared uint element, 64 work-items on each; the element's last value goes to x.
static void shared_atomics_of_every_kind_match_the_reference(void **state)
{
    ct_fixture *f = *state;
    const fm_kernel_info info = {
        .name = "atomics",
        .code = "uint l = local_id.x; int v = int(l) - 20;\n"
                "if (l < 8u) { u[l] = l == 1u ? 100u : l == 3u ? 0xffffffffu : 7u; i[l] = l == 3u ? -1 : 7; }\n"
                "barrier();\n"
                "atomic_add(u[0], l); atomic_min(u[1], l + 3u); atomic_max(u[2], l ^ 9u); atomic_and(u[3], ~(1u << (l "
                "& 31u)));\n"
                "atomic_or(u[4], 1u << (l & 15u)); atomic_xor(u[5], l * 3u); atomic_exchange(u[6], 55u);\n"
                "atomic_compare_exchange(u[7], l, l + 1u);\n"
                "atomic_add(i[0], v); atomic_min(i[1], v); atomic_max(i[2], v); atomic_and(i[3], ~(1 << (v & 15)));\n"
                "atomic_or(i[4], 1 << (v & 15)); atomic_xor(i[5], v * 3); atomic_exchange(i[6], -55);\n"
                "uint old = uint(atomic_compare_exchange(i[7], 7, -8));\n"
                "atomic_add(u[8], old == 7u ? 1u : 0u);\n"
                "barrier();\n"
                "if (l < 9u) x[l] = u[l];\n"
                "if (l < 8u) x[9u + l] = uint(i[l]);\n",
        .params = &(const fm_kernel_param){"x", FM_DTYPE_U32, FM_ACCESS_WRITE},
        .param_count = 1,
        .shared = (const fm_kernel_shared[]){{"u", FM_DTYPE_U32, 9}, {"i", FM_DTYPE_I32, 8}},
        .shared_count = 2,
    };
    fm_kernel_info zeroing = info; // u[8] starts at 0: shared arrays have no value of their own
    char code[2000];
    snprintf(code, sizeof code, "if (local_id.x == 0u) u[8] = 0u; barrier();\n%s", (const char *)info.code);
    zeroing.code = code;
    fm_kernel kernel = create(f, &zeroing);
    fm_buffer buffer = ct_buffer(f, 17 * 4);
    fm_commands *commands = ct_begin(f);
    fm_dispatch_info dispatch = ct_dispatch_info(kernel, 1, CT_BINDINGS({.buffer = buffer}), NULL, 0);
    CT_OK(fm_dispatch(commands, &dispatch));
    ct_finish(f, commands);
    uint32_t got[17], u[9] = {7, 100, 7, UINT32_MAX, 7, 7, 55, 0, 1};
    int32_t i[8] = {7, 7, 7, -1, 7, 7, -55, -8};
    ct_read(f, buffer, 0, sizeof got, got);
    for (uint32_t l = 0; l < 64; l++) {
        int32_t v = (int32_t)l - 20;
        u[0] += l;
        u[1] = l + 3 < u[1] ? l + 3 : u[1];
        u[2] = (l ^ 9) > u[2] ? l ^ 9 : u[2];
        u[3] &= ~(1u << (l & 31));
        u[4] |= 1u << (l & 15);
        u[5] ^= l * 3;
        i[0] += v;
        i[1] = v < i[1] ? v : i[1];
        i[2] = v > i[2] ? v : i[2];
        i[3] &= ~(1 << (v & 15));
        i[4] |= 1 << (v & 15);
        i[5] ^= v * 3;
    }
    // u[7] is passed on from 7: work-item 7 makes it 8, and whoever comes later may go on.
    assert_true(got[7] >= 8 && got[7] <= 64);
    u[7] = got[7];
    assert_memory_equal(got, u, sizeof u);
    assert_memory_equal(got + 9, i, sizeof i);
}

// A group that leaves as a whole before the barrier is no missed barrier; nor is one work-item alone, nor the largest group.
static void barrier_in_uniform_flow_is_allowed(void **state)
{
    ct_fixture *f = *state;
    fm_kernel_info info = {
        .name = "uniform",
        .header = "uint double_it(uint v) { return v + v; }\n#define NEXT(i) (((i) + 1u) % group)\n",
        .code = "uint group = group_size.x;\n"
                "if (group_id.x % 2u == 1u) return;\n"
                "mine[local_id.x] = double_it(global_id.x);\n"
                "barrier ( /* all meet */\n ) ;\n"
                "x[global_id.x] = mine[NEXT(local_id.x)];\n",
        .params = &(const fm_kernel_param){"x", FM_DTYPE_U32, FM_ACCESS_WRITE},
        .param_count = 1,
        .shared_count = 1,
    };
    const uint32_t sizes[] = {1, 2, 33, f->properties.max_group_invocations};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        uint32_t size = sizes[i];
        info.group_size[0] = size;
        info.group_size[1] = info.group_size[2] = 1;
        info.shared = &(const fm_kernel_shared){"mine", FM_DTYPE_U32, size};
        fm_kernel kernel = create(f, &info);
        fm_buffer buffer = ct_buffer(f, 12 * (uint64_t)size);
        fm_commands *commands = ct_begin(f);
        fm_dispatch_info dispatch = ct_dispatch_info(kernel, 3, CT_BINDINGS({.buffer = buffer}), NULL, 0);
        CT_OK(fm_dispatch(commands, &dispatch));
        ct_finish(f, commands);
        uint32_t *words = malloc(12 * (size_t)size);
        assert_non_null(words);
        ct_read(f, buffer, 0, 12 * (uint64_t)size, words);
        for (uint32_t k = 0; k < 3 * size; k++) {
            uint32_t group = k / size;
            assert_int_equal(words[k], group == 1 ? 0 : 2 * (group * size + (k % size + 1) % size));
        }
        free(words);
        CT_OK(fm_buffer_destroy(f->device, buffer));
        CT_OK(fm_kernel_destroy(f->device, kernel));
    }
}

// Many threads of the host device, many groups, two kernels with barriers in one wave.
static void barriers_of_concurrent_dispatches_do_not_meet(void **state)
{
    ct_fixture *f = *state;
    enum { GROUPS = 64, LISTS = 8 };
    fm_kernel_info info = {
        .name = "rotate",
        .code = "mine[local_id.x] = global_id.x; barrier(); uint v = mine[(local_id.x + 1u) % 64u]; barrier();"
                "mine[local_id.x] = v; barrier(); x[global_id.x] = mine[(local_id.x + by) % 64u];",
        .params = &(const fm_kernel_param){"x", FM_DTYPE_U32, FM_ACCESS_WRITE},
        .param_count = 1,
        .constants = &(const fm_kernel_constant){"by", FM_DTYPE_U32},
        .constant_count = 1,
        .shared = &(const fm_kernel_shared){"mine", FM_DTYPE_U32, 64},
        .shared_count = 1,
    };
    fm_kernel kernel = create(f, &info);
    fm_buffer buffers[LISTS];
    fm_commands *commands = ct_begin(f);
    for (uint32_t i = 0; i < LISTS; i++) {
        buffers[i] = ct_buffer(f, GROUPS * 256);
        fm_dispatch_info dispatch = ct_dispatch_info(kernel, GROUPS, CT_BINDINGS({.buffer = buffers[i]}), &i, sizeof i);
        CT_OK(fm_dispatch(commands, &dispatch));
    }
    ct_finish(f, commands);
    static uint32_t words[GROUPS * 64];
    for (uint32_t i = 0; i < LISTS; i++) {
        ct_read(f, buffers[i], 0, sizeof words, words);
        for (uint32_t k = 0; k < GROUPS * 64; k++) assert_int_equal(words[k], k / 64 * 64 + (k + 1 + i) % 64);
    }
}

// What a GPU leaves undefined, the host device says: which kernel, where, and who was missing.
static void barrier_that_a_work_item_misses_fails_the_list(void **state)
{
    ct_fixture *f = *state;
    if (!f->properties.runs_host_functions) skip();
    static const struct {
        const char *code;
        const char *says;
    } cases[] = {
        {"if (local_id.x == 5u) return;\nbarrier();\nx[0] = 1u;", "waits at barrier() in line 2, column 1"},
        {"if (local_id.x < 5u) barrier();\nx[0] = 1u;", "line 1, column 22, but work-item 5 has ended"},
        {"if (local_id.x < 63u) { barrier(); } else {\nbarrier(); }", "work-item 63 waits at barrier() in line 2"},
        {"for (uint i = 0u; i < local_id.x; i++) barrier();", "work-item 0 has ended, but work-item 1 waits"},
        {"barrier();\nif (group_id.x == 6u && local_id.x == 9u) meet(); else barrier();",
         "but work-item 9 waits at barrier() in header line 1, column 15"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const fm_kernel_info info = {
            .name = "diverging",
            .code = cases[i].code,
            .header = "void meet() { barrier(); }",
            .params = &(const fm_kernel_param){"x", FM_DTYPE_U32, FM_ACCESS_WRITE},
            .param_count = 1,
        };
        fm_kernel kernel = create(f, &info);
        fm_buffer buffer = ct_buffer(f, 256);
        fm_stream stream;
        CT_OK(fm_stream_create(f->device, NULL, &stream));
        for (int round = 0; round < 2; round++) {
            fm_commands *commands = ct_begin(f);
            fm_dispatch_info dispatch = ct_dispatch_info(kernel, 8, CT_BINDINGS({.buffer = buffer}), NULL, 0);
            CT_OK(fm_dispatch(commands, &dispatch));
            fm_point point = ct_commit(&commands, stream);
            CT_STATUS(fm_point_wait(f->device, point, CT_TIMEOUT_NS), FM_ERROR_KERNEL_FAILED);
            if (!strstr(fm_last_error(), cases[i].says) ||
                !strstr(fm_last_error(), "kernel 'diverging', workgroup (")) {
                fail_msg("'%s' does not say '%s'", fm_last_error(), cases[i].says);
            }
            CT_OK(fm_stream_reset(f->device, stream, CT_TIMEOUT_NS));
        }
        CT_OK(fm_stream_destroy(f->device, stream));
        CT_OK(fm_kernel_destroy(f->device, kernel));
    }
    shared_sums_are_those_of_the_reference(state); // the threads that saw failures go on working
}

// Lists of one kernel that fail side by side, and again later: each says where it was, not where another one was before it.
static void barrier_missed_in_many_lists_is_told_of_each(void **state)
{
    ct_fixture *f = *state;
    if (!f->properties.runs_host_functions) skip();
    enum { LISTS = 12, ROUNDS = 3 };
    const fm_kernel_info info = {
        .name = "diverging",
        .code = "if (group_id.x != n || local_id.x != 3u) barrier();",
        .params = &(const fm_kernel_param){"x", FM_DTYPE_U32, FM_ACCESS_WRITE},
        .param_count = 1,
        .constants = &(const fm_kernel_constant){"n", FM_DTYPE_U32},
        .constant_count = 1,
    };
    fm_kernel kernel = create(f, &info);
    fm_stream streams[LISTS];
    fm_point points[LISTS];
    for (uint32_t i = 0; i < LISTS; i++) CT_OK(fm_stream_create(f->device, NULL, &streams[i]));
    for (uint32_t round = 0; round < ROUNDS; round++) {
        fm_point gate = ct_commit_gate(f, f->stream, ct_buffer(f, 64));
        for (uint32_t i = 0; i < LISTS; i++) { // all of them wait for the gate, and run together
            uint32_t n = round * LISTS + i;
            fm_commands *commands = ct_begin(f);
            fm_dispatch_info dispatch =
                ct_dispatch_info(kernel, 64, CT_BINDINGS({.buffer = ct_buffer(f, 256)}), &n, sizeof n);
            CT_OK(fm_dispatch(commands, &dispatch));
            CT_OK(fm_commit(&commands, &(fm_commit_info){.stream = streams[i], .after = &gate, .after_count = 1},
                            &points[i]));
        }
        ct_gate_open(f);
        for (uint32_t i = 0; i < LISTS; i++) {
            char place[64];
            snprintf(place, sizeof place, "workgroup (%u, 0, 0): ", round * LISTS + i);
            CT_STATUS(fm_point_wait(f->device, points[i], CT_TIMEOUT_NS), FM_ERROR_KERNEL_FAILED);
            if (!strstr(fm_last_error(), place)) fail_msg("'%s' does not say '%s'", fm_last_error(), place);
            CT_OK(fm_stream_reset(f->device, streams[i], CT_TIMEOUT_NS));
        }
    }
}

static void shared_memory_over_the_device_is_unsupported(void **state)
{
    ct_fixture *f = *state;
    fm_kernel_info info = {.name = "large", .code = "tile[0] = 1u;", .shared_count = 1};
    fm_kernel kernel = {UINT64_MAX};
    info.shared = &(const fm_kernel_shared){"tile", FM_DTYPE_U32, UINT32_MAX};
    CT_STATUS(fm_kernel_create(f->device, &info, &kernel), FM_ERROR_UNSUPPORTED);
    assert_true(kernel.id == 0);
    info.shared = &(const fm_kernel_shared){"tile", FM_DTYPE_U32, 4096}; // 16 KiB: what every Vulkan device has
    CT_OK(fm_kernel_create(f->device, &info, &kernel));
}

// `depth` functions that call each other, each with an array of `count` words that it fills and looks through; y is 0 where no variable of a work-item
// was changed by another.
static void run_arrays(ct_fixture *f, uint32_t count, uint32_t depth)
{
    enum { HEADER_BYTES = 1 << 18 };
    char *header = malloc(HEADER_BYTES), body[512];
    assert_non_null(header);
    size_t length = 0;
    for (uint32_t i = 0; i < depth; i++) {
        char call[32];
        snprintf(call, sizeof call, i ? "f%u(v)" : "0u", i - 1);
        length += (size_t)snprintf(header + length, HEADER_BYTES - length,
                                   "uint f%u(uint v) { uint t[%u]; for (uint i = 0u; i < %uu; i++) t[i] = v + i;\n"
                                   "uint s = %s; for (uint i = 0u; i < %uu; i++) s += t[i] - i; return s; }\n",
                                   i, count, count, call, count);
    }
    snprintf(body, sizeof body,
             "uint mine = local_id.x * 7u, kept = mine; barrier(); uint s = f%u(local_id.x); barrier();\n"
             "x[global_id.x] = s - %uu * local_id.x; y[global_id.x] = kept - mine;",
             depth - 1, count * depth);
    fm_kernel_info info = {
        .name = "arrays",
        .code = body,
        .header = header,
        .params = (const fm_kernel_param[]){{"x", FM_DTYPE_U32, FM_ACCESS_WRITE}, {"y", FM_DTYPE_U32, FM_ACCESS_WRITE}},
        .param_count = 2};
    fm_kernel kernel = create(f, &info);
    fm_buffer x = ct_buffer_of(f, (uint32_t[128]){1}, 512), y = ct_buffer_of(f, (uint32_t[128]){1}, 512);
    fm_commands *commands = ct_begin(f);
    fm_dispatch_info dispatch = ct_dispatch_info(kernel, 2, CT_BINDINGS({.buffer = x}, {.buffer = y}), NULL, 0);
    CT_OK(fm_dispatch(commands, &dispatch));
    ct_finish(f, commands);
    ct_expect_words(f, x, 128, 0);
    ct_expect_words(f, y, 128, 0);
    CT_OK(fm_kernel_destroy(f->device, kernel));
    free(header);
}

// The stack of a work-item with barriers has room for arrays of the body and of all functions that it calls, on the host device as elsewhere.
static void barrier_with_arrays_in_functions_keeps_them_apart(void **state)
{
    ct_fixture *f = *state;
    static const uint32_t shapes[][2] = {{64, 1}, {500, 1}, {100, 4}, {1, 64}, {2000, 1}};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) run_arrays(f, shapes[i][0], shapes[i][1]);
}

// As much as the language lets a kernel have, where the device's own driver is not the limit.
static void barrier_with_the_most_locals_runs(void **state)
{
    ct_fixture *f = *state;
    if (!f->properties.runs_host_functions) skip(); // a GPU's driver decides, and lavapipe's compiler takes minutes
    static const uint32_t shapes[][2] = {{11000, 1}, {12000, 1}, {15900, 1}, {17230, 1}, {500, 33}, {1000, 15},
                                         {24000, 1}, {32000, 2}, {64000, 1}, {12000, 5}, {100, 1}};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) run_arrays(f, shapes[i][0], shapes[i][1]);
}

// More functions than a stack has room for are an error, not a crash.
static void barrier_with_functions_over_the_stack_is_unsupported(void **state)
{
    ct_fixture *f = *state;
    if (!f->properties.runs_host_functions) skip(); // elsewhere calls have no stack
    enum { DEPTH = 3000, HEADER_BYTES = DEPTH * 64 };
    char *header = malloc(HEADER_BYTES);
    assert_non_null(header);
    size_t length = (size_t)sprintf(header, "uint f0(uint v) { return v; }\n");
    for (int i = 1; i < DEPTH; i++)
        length += (size_t)sprintf(header + length, "uint f%d(uint v) { return f%d(v) + 1u; }\n", i, i - 1);
    fm_kernel_info info = {.name = "deep",
                           .code = "barrier(); x[global_id.x] = f2999(1u);",
                           .header = header,
                           .params = &(const fm_kernel_param){"x", FM_DTYPE_U32, FM_ACCESS_WRITE},
                           .param_count = 1};
    fm_kernel kernel;
    CT_STATUS(fm_kernel_create(f->device, &info, &kernel), FM_ERROR_UNSUPPORTED);
    assert_non_null(strstr(fm_last_error(), "bytes of stack together"));
    free(header);
}

static void barrier_with_arguments_is_a_compile_error(void **state)
{
    ct_fixture *f = *state;
    fm_kernel_info info = {.name = "b", .code = "barrier(1u);"};
    fm_kernel kernel;
    CT_STATUS(fm_kernel_create(f->device, &info, &kernel), FM_ERROR_COMPILE);
    info.code = "uint barrier = 1u;";
    CT_STATUS(fm_kernel_create(f->device, &info, &kernel), FM_ERROR_COMPILE);
}

int ct_group_workgroup(void)
{
    const struct CMUnitTest tests[] = {
        CT_TEST(shared_sums_are_those_of_the_reference),
        CT_TEST(shared_arrays_of_every_type_and_axis_are_exchanged),
        CT_TEST(shared_atomics_count_every_work_item),
        CT_TEST(shared_atomics_of_every_kind_match_the_reference),
        CT_TEST(barrier_in_uniform_flow_is_allowed),
        CT_TEST(barriers_of_concurrent_dispatches_do_not_meet),
        CT_TEST(barrier_that_a_work_item_misses_fails_the_list),
        CT_TEST(barrier_missed_in_many_lists_is_told_of_each),
        CT_TEST(shared_memory_over_the_device_is_unsupported),
        CT_TEST(barrier_with_arrays_in_functions_keeps_them_apart),
        CT_TEST(barrier_with_the_most_locals_runs),
        CT_TEST(barrier_with_functions_over_the_stack_is_unsupported),
        CT_TEST(barrier_with_arguments_is_a_compile_error),
    };
    return cmocka_run_group_tests_name("workgroup", tests, NULL, NULL);
}

// fm_dispatch: every check of its arguments (and that a refused call leaves the list as it was), then bindings,
// constants and group counts of every size.
#include "groups.h"
#include "support.h"

// A list that already holds set(value 1) on `target`; each spoilt dispatch is tried between that and what follows.
typedef struct scene {
    fm_commands *commands;
    fm_kernel kernel; // add: x (READ), y (WRITE), 8 bytes of constants
    fm_buffer source; // 256 bytes of zero
    fm_buffer target; // 256 bytes
    fm_binding bindings[2];
    ct_set_constants constants;
    fm_dispatch_info info; // right in everything
} scene;

static void set_scene(ct_fixture *f, scene *s)
{
    s->commands = ct_begin(f);
    s->kernel = ct_kernel_add(f);
    s->source = ct_buffer(f, 256);
    s->target = ct_buffer(f, 256);
    s->bindings[0] = (fm_binding){.buffer = s->source};
    s->bindings[1] = (fm_binding){.buffer = s->target};
    s->constants = (ct_set_constants){64, 1};
    s->info = ct_dispatch_info(s->kernel, 1, s->bindings, 2, &s->constants, sizeof s->constants);
    CT_OK(fm_dispatch(s->commands, &s->info));
}

// The list must hold what was recorded with success and nothing else.
static void end_scene(ct_fixture *f, scene *s)
{
    uint64_t before = ct_stats(f).dispatches;
    fm_dispatch_info info = ct_dispatch_info(s->kernel, 1, CT_BINDINGS({.buffer = s->target}, {.buffer = s->source}),
                                             &s->constants, sizeof s->constants);
    CT_OK(fm_dispatch(s->commands, &info));
    ct_finish(f, s->commands);
    ct_expect_words(f, s->target, 64, 1);
    ct_expect_words(f, s->source, 64, 2);
    ct_wait_idle(f);
    assert_int_equal(ct_stats(f).dispatches - before, 2);
}

static void dispatch_without_an_argument_is_invalid(void **state)
{
    ct_fixture *f = *state;
    scene s;
    set_scene(f, &s);
    CT_STATUS(fm_dispatch(s.commands, NULL), FM_ERROR_INVALID_ARGUMENT);
    CT_REFUSED(fm_dispatch(NULL, &s.info));
    fm_dispatch_info info = s.info;
    info.bindings = NULL;
    CT_STATUS(fm_dispatch(s.commands, &info), FM_ERROR_INVALID_ARGUMENT);
    info = s.info;
    info.constants = NULL;
    CT_STATUS(fm_dispatch(s.commands, &info), FM_ERROR_INVALID_ARGUMENT);
    end_scene(f, &s);
}

static void dispatch_with_wrong_counts_is_invalid(void **state)
{
    ct_fixture *f = *state;
    scene s;
    set_scene(f, &s);
    const uint32_t binding_counts[] = {0, 1, 3, 17, UINT32_MAX};
    for (size_t i = 0; i < sizeof binding_counts / sizeof binding_counts[0]; i++) {
        fm_dispatch_info info = s.info;
        info.binding_count = binding_counts[i];
        CT_STATUS(fm_dispatch(s.commands, &info), FM_ERROR_INVALID_ARGUMENT);
    }
    const uint32_t constants_sizes[] = {0, 4, 7, 12, UINT32_MAX};
    for (size_t i = 0; i < sizeof constants_sizes / sizeof constants_sizes[0]; i++) {
        fm_dispatch_info info = s.info;
        info.constants_size_bytes = constants_sizes[i];
        CT_STATUS(fm_dispatch(s.commands, &info), FM_ERROR_INVALID_ARGUMENT);
    }
    for (int axis = 0; axis < 3; axis++) {
        fm_dispatch_info info = s.info;
        info.group_count[axis] = 0;
        CT_STATUS(fm_dispatch(s.commands, &info), FM_ERROR_INVALID_ARGUMENT);
    }
    end_scene(f, &s);
}

// The same number on every device: what is counted is the product, also where it is beyond 64 bits.
static void dispatch_of_more_than_the_most_groups_is_invalid(void **state)
{
    ct_fixture *f = *state;
    scene s;
    set_scene(f, &s);
    static const uint32_t over[][3] = {
        {641, 6700417, 1},                                       // 2^32 + 1
        {1, 641, 6700417},           {968973220, 49477, 384773}, // 2^64 + 4, which is 4 in 64 bits
        {65536, 65536, 2},           {UINT32_MAX, 1, 2},
        {1, UINT32_MAX, 2},          {2, 1, UINT32_MAX},
        {4000000000, 4000000000, 1}, {4000000000, 4000000000, 2},
        {1u << 31, 1u << 31, 4}, // 2^64
        {1u << 31, 1u << 31, 5},     {UINT32_MAX, UINT32_MAX, UINT32_MAX},
    };
    assert_true((uint64_t)over[0][0] * over[0][1] == FM_MAX_GROUPS + 1);
    for (size_t i = 0; i < sizeof over / sizeof over[0]; i++) {
        fm_dispatch_info info = s.info;
        memcpy(info.group_count, over[i], sizeof over[i]);
        CT_STATUS(fm_dispatch(s.commands, &info), FM_ERROR_INVALID_ARGUMENT);
        assert_non_null(strstr(fm_last_error(), "4294967296"));
    }
    end_scene(f, &s);
}

// They would take seconds to run, so they are cancelled.
static void dispatch_of_the_most_groups_is_recorded(void **state)
{
    ct_fixture *f = *state;
    scene s;
    set_scene(f, &s);
    // Of one work-item each: what larger ones come to on an axis has a limit of its own.
    const fm_kernel_info create = {.name = "small",
                                   .code = "x[0] = 1u;",
                                   .params = &(fm_kernel_param){"x", FM_DTYPE_U32, FM_ACCESS_WRITE},
                                   .param_count = 1,
                                   .group_size = {1, 1, 1}};
    fm_kernel small = {0};
    CT_OK(fm_kernel_create(f->device, &create, &small));
    static const uint32_t most[][3] = {{65536, 65536, 1},  {1, 65536, 65536},  {1u << 31, 1, 2}, {UINT32_MAX, 1, 1},
                                       {1, UINT32_MAX, 1}, {1, 1, UINT32_MAX}, {640, 6700417, 1}};
    for (size_t i = 0; i < sizeof most / sizeof most[0]; i++) {
        fm_dispatch_info info = ct_dispatch_info(small, 1, CT_BINDINGS({.buffer = s.target}), NULL, 0);
        memcpy(info.group_count, most[i], sizeof most[i]);
        CT_OK(fm_dispatch(s.commands, &info));
    }
    CT_OK(fm_commands_cancel(&s.commands));
}

static void dispatch_with_a_part_of_an_element_is_invalid(void **state)
{
    ct_fixture *f = *state;
    static const struct {
        fm_dtype dtype;
        uint64_t element_bytes;
    } dtypes[] = {{FM_DTYPE_F32, 4}, {FM_DTYPE_F16, 2}, {FM_DTYPE_I32, 4},  {FM_DTYPE_U32, 4}, {FM_DTYPE_I8, 1},
                  {FM_DTYPE_U8, 1},  {FM_DTYPE_I64, 8}, {FM_DTYPE_BF16, 2}, {FM_DTYPE_U64, 8}, {FM_DTYPE_F64, 8}};
    const uint64_t raw_bytes = f->properties.dtype_mask & 1u << FM_DTYPE_U8 ? 1 : 4;
    fm_buffer seven = ct_buffer(f, 7), large = ct_buffer(f, 256);
    for (size_t i = 0; i < sizeof dtypes / sizeof dtypes[0]; i++) {
        if (!(f->properties.dtype_mask & 1u << dtypes[i].dtype)) continue;
        // Once fixed by the kernel, once chosen by the binding; the other binding is of bytes, or of words where the device has no bytes.
        for (int chosen = 0; chosen < 2; chosen++) {
            fm_kernel kernel =
                ct_kernel(f, "uint n = 0u;",
                          CT_PARAMS({"raw", raw_bytes == 1 ? FM_DTYPE_U8 : FM_DTYPE_U32, FM_ACCESS_READ},
                                    {"odd_one", chosen ? FM_DTYPE_NONE : dtypes[i].dtype, FM_ACCESS_READ}),
                          NULL, 0);
            fm_commands *commands = ct_begin(f);
            for (uint64_t size = 0; size <= 17; size++) { // 0: to the end, 7 bytes
                fm_binding bindings[2] = {
                    {.buffer = large, .size_bytes = raw_bytes * (1 + size)},
                    {.buffer = size ? large : seven, .size_bytes = size, .dtype = dtypes[i].dtype}};
                fm_dispatch_info info = ct_dispatch_info(kernel, 1, bindings, 2, NULL, 0);
                bool is_whole = (size ? size : 7) % dtypes[i].element_bytes == 0;
                CT_STATUS(fm_dispatch(commands, &info), is_whole ? FM_OK : FM_ERROR_INVALID_ARGUMENT);
                if (!is_whole) assert_non_null(strstr(fm_last_error(), "'odd_one'"));
            }
            ct_finish(f, commands);
        }
    }
}

static void dispatch_with_a_bad_kernel_is_refused(void **state)
{
    ct_fixture *f = *state;
    scene s;
    set_scene(f, &s);
    fm_dispatch_info info = s.info;
    info.kernel = (fm_kernel){0};
    CT_STATUS(fm_dispatch(s.commands, &info), FM_ERROR_NULL_HANDLE);
    info.kernel = ct_kernel_add(f);
    CT_OK(fm_kernel_destroy(f->device, info.kernel));
    CT_STATUS(fm_dispatch(s.commands, &info), FM_ERROR_STALE_HANDLE);
    fm_kernel_info create = {.name = "foreign", .code = ";"};
    CT_OK(fm_kernel_create(ct_other_device(f), &create, &info.kernel));
    CT_STATUS(fm_dispatch(s.commands, &info), FM_ERROR_FOREIGN_HANDLE);
    end_scene(f, &s);
}

static void dispatch_with_a_bad_buffer_is_refused(void **state)
{
    ct_fixture *f = *state;
    scene s;
    set_scene(f, &s);
    fm_buffer stale = ct_buffer(f, 256);
    CT_OK(fm_buffer_destroy(f->device, stale));
    fm_buffer foreign;
    CT_OK(fm_buffer_create(ct_other_device(f), &(fm_buffer_info){.size_bytes = 256}, &foreign));
    for (uint32_t place = 0; place < 2; place++) {
        fm_binding good = s.bindings[place];
        s.bindings[place].buffer = (fm_buffer){0};
        CT_STATUS(fm_dispatch(s.commands, &s.info), FM_ERROR_NULL_HANDLE);
        s.bindings[place].buffer = stale;
        CT_STATUS(fm_dispatch(s.commands, &s.info), FM_ERROR_STALE_HANDLE);
        const char *blamed =
            place ? "fm_dispatch: binding 1 'y' of kernel '" : "fm_dispatch: binding 0 'x' of kernel '";
        assert_true(strncmp(fm_last_error(), blamed, strlen(blamed)) == 0);
        s.bindings[place].buffer = foreign;
        CT_STATUS(fm_dispatch(s.commands, &s.info), FM_ERROR_FOREIGN_HANDLE);
        s.bindings[place] = good;
    }
    end_scene(f, &s);
}

static void dispatch_with_a_range_outside_its_buffer_is_out_of_range(void **state)
{
    ct_fixture *f = *state;
    scene s;
    set_scene(f, &s);
    uint64_t step = f->properties.binding_alignment_bytes;
    uint64_t top = UINT64_MAX - step + 1; // the highest aligned offset
    const struct {
        uint64_t offset_bytes;
        uint64_t size_bytes;
    } ranges[] = {
        {0, 257},
        {0, UINT64_MAX - 1},
        {step, 256},
        {256, 4},
        {256 + step, FM_WHOLE_SIZE},
        {256 + step, 0},
        {top, 4},
        {top, FM_WHOLE_SIZE},
        {top, step},
        {UINT64_C(1) << 63, UINT64_C(1) << 63},
    };
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        if (ranges[i].offset_bytes % step != 0) continue; // 256 on a device that aligns more strictly
        s.bindings[i % 2].offset_bytes = ranges[i].offset_bytes;
        s.bindings[i % 2].size_bytes = ranges[i].size_bytes;
        CT_STATUS(fm_dispatch(s.commands, &s.info), FM_ERROR_OUT_OF_RANGE);
        s.bindings[i % 2] = (fm_binding){.buffer = i % 2 ? s.target : s.source};
    }
    end_scene(f, &s);
}

static void dispatch_with_a_misaligned_offset_is_invalid(void **state)
{
    ct_fixture *f = *state;
    if (f->properties.binding_alignment_bytes == 1) return;
    scene s;
    set_scene(f, &s);
    const uint64_t offsets[] = {1, f->properties.binding_alignment_bytes / 2,
                                f->properties.binding_alignment_bytes - 1};
    fm_buffer large = ct_buffer(f, 2 * (uint64_t)f->properties.binding_alignment_bytes + 64);
    for (size_t i = 0; i < sizeof offsets / sizeof offsets[0]; i++) {
        s.bindings[i % 2].buffer = large;
        s.bindings[i % 2].offset_bytes = offsets[i];
        s.bindings[i % 2].size_bytes = 4;
        CT_STATUS(fm_dispatch(s.commands, &s.info), FM_ERROR_INVALID_ARGUMENT);
        s.bindings[i % 2] = (fm_binding){.buffer = i % 2 ? s.target : s.source};
    }
    end_scene(f, &s);
}

static void dispatch_with_a_wrong_dtype_is_invalid(void **state)
{
    ct_fixture *f = *state;
    scene s;
    set_scene(f, &s);
    const fm_dtype wrong[] = {FM_DTYPE_F32, FM_DTYPE_I32, FM_DTYPE_F16, (fm_dtype)11, (fm_dtype)-1};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        s.bindings[1].dtype = wrong[i];
        CT_STATUS(fm_dispatch(s.commands, &s.info), FM_ERROR_INVALID_ARGUMENT);
    }
    s.bindings[1].dtype = FM_DTYPE_U32; // the parameter's own
    CT_OK(fm_dispatch(s.commands, &s.info));
    CT_OK(fm_commands_cancel(&s.commands));
}

// "On error nothing is recorded and the list is as before": not even a hold stays behind.
static void dispatch_that_is_refused_holds_nothing(void **state)
{
    ct_fixture *f = *state;
    scene s;
    set_scene(f, &s);
    fm_buffer stale = ct_buffer(f, 256);
    CT_OK(fm_buffer_destroy(f->device, stale));
    fm_buffer good = ct_buffer(f, 1 << 20);
    ct_wait_idle(f); // the zeroing of new memory holds it too
    uint64_t with_good = ct_stats(f).bytes_in_use;
    s.bindings[0].buffer = good;
    s.bindings[1].buffer = stale;
    CT_STATUS(fm_dispatch(s.commands, &s.info), FM_ERROR_STALE_HANDLE);
    CT_OK(fm_buffer_destroy(f->device, good));
    assert_true(ct_stats(f).bytes_in_use <= with_good - (1 << 20));
    s.bindings[0].buffer = s.source;
    s.bindings[1].buffer = s.target;
    end_scene(f, &s);
}

static void dispatch_copies_what_it_is_given(void **state)
{
    ct_fixture *f = *state;
    scene s;
    set_scene(f, &s);
    memset(s.bindings, CT_POISON, sizeof s.bindings);
    memset(&s.constants, CT_POISON, sizeof s.constants);
    memset(&s.info, CT_POISON, sizeof s.info);
    ct_finish(f, s.commands);
    ct_expect_words(f, s.target, 64, 1);
}

static void dispatch_with_a_size_of_zero_or_whole_binds_to_the_end(void **state)
{
    ct_fixture *f = *state;
    uint64_t step = f->properties.binding_alignment_bytes;
    fm_kernel kernel = ct_kernel_set(f);
    const uint64_t sizes[] = {0, FM_WHOLE_SIZE, 64};
    for (size_t i = 0; i < 3; i++) {
        fm_buffer buffer = ct_buffer(f, 2 * step + 64);
        const ct_set_constants constants = {16, 77};
        fm_binding binding = {.buffer = buffer, .offset_bytes = 2 * step, .size_bytes = sizes[i]};
        fm_dispatch_info info = ct_dispatch_info(kernel, 1, &binding, 1, &constants, sizeof constants);
        fm_commands *commands = ct_begin(f);
        CT_OK(fm_dispatch(commands, &info));
        ct_finish(f, commands);
        uint32_t words[16];
        ct_expect_bytes(f, buffer, 0, 2 * step, 0);
        ct_read(f, buffer, 2 * step, sizeof words, words);
        for (uint32_t k = 0; k < 16; k++) assert_int_equal(words[k], 77);
    }
}

// All sixteen, as separate ranges of one buffer and as separate buffers.
static void dispatch_with_the_most_bindings_reaches_each(void **state)
{
    ct_fixture *f = *state;
    fm_kernel_param params[FM_MAX_BINDINGS];
    fm_binding bindings[FM_MAX_BINDINGS];
    char names[FM_MAX_BINDINGS][4];
    char body[1024] = "uint i = global_id.x;";
    uint64_t step = f->properties.binding_alignment_bytes > 256 ? f->properties.binding_alignment_bytes : 256;
    fm_buffer shared = ct_buffer(f, FM_MAX_BINDINGS * step);
    for (uint32_t i = 0; i < FM_MAX_BINDINGS; i++) {
        snprintf(names[i], sizeof names[i], "b%u", i);
        params[i] = (fm_kernel_param){names[i], FM_DTYPE_U32, i == 0 ? FM_ACCESS_READ : FM_ACCESS_READ_WRITE};
        bindings[i] = (fm_binding){.buffer = shared, .offset_bytes = i * step, .size_bytes = 256};
        if (i % 2) bindings[i] = (fm_binding){.buffer = ct_buffer(f, 256)};
        if (i > 0) {
            size_t used = strlen(body);
            snprintf(body + used, sizeof body - used, "b%u[i] = b%u[i] + b0[i] + %uu + i;", i, i, i);
        }
    }
    fm_kernel kernel = ct_kernel(f, body, params, FM_MAX_BINDINGS, NULL, 0);
    fm_commands *commands = ct_begin(f);
    CT_OK(fm_fill(commands, shared, 0, 256, 1000));
    fm_dispatch_info info = ct_dispatch_info(kernel, 1, bindings, FM_MAX_BINDINGS, NULL, 0);
    CT_OK(fm_dispatch(commands, &info));
    CT_OK(fm_dispatch(commands, &info)); // adds a second time
    ct_finish(f, commands);
    for (uint32_t i = 1; i < FM_MAX_BINDINGS; i++) {
        uint32_t words[64];
        ct_read(f, bindings[i].buffer, bindings[i].offset_bytes, sizeof words, words);
        for (uint32_t k = 0; k < 64; k++) assert_int_equal(words[k], 2 * (1000 + i + k));
    }
}

// Constants beyond what push constants hold anywhere (128 bytes), up to 64 floats.
static void dispatch_with_many_constants_sees_each(void **state)
{
    ct_fixture *f = *state;
    const uint32_t counts[] = {1, 2, 31, 32, 33, 64};
    fm_kernel_constant constants[64];
    char names[64][4];
    float values[64];
    for (uint32_t i = 0; i < 64; i++) {
        snprintf(names[i], sizeof names[i], "c%u", i);
        constants[i] = (fm_kernel_constant){names[i], FM_DTYPE_F32};
    }
    for (size_t k = 0; k < sizeof counts / sizeof counts[0]; k++) {
        uint32_t count = counts[k];
        if (count * 4 > f->properties.max_constants_bytes) continue;
        char body[2048] = "uint i = global_id.x; float v = 0.0f;";
        for (uint32_t i = 0; i < count; i++) {
            size_t used = strlen(body);
            snprintf(body + used, sizeof body - used, "if (i == %uu) v = c%u;", i, i);
        }
        strcat(body, "x[i] = v;");
        fm_kernel kernel = ct_kernel(f, body, CT_PARAMS({"x", FM_DTYPE_F32, FM_ACCESS_WRITE}), constants, count);
        fm_buffer buffers[3];
        fm_commands *commands = ct_begin(f);
        for (uint32_t d = 0; d < 3; d++) { // each dispatch has its own constants
            buffers[d] = ct_buffer(f, 256);
            for (uint32_t i = 0; i < 64; i++) values[i] = (float)(i * 3 + d * 1000) + 0.25f;
            fm_dispatch_info info = ct_dispatch_info(kernel, 1, CT_BINDINGS({.buffer = buffers[d]}), values, 4 * count);
            CT_OK(fm_dispatch(commands, &info));
        }
        ct_finish(f, commands);
        for (uint32_t d = 0; d < 3; d++) {
            float floats[64];
            ct_read(f, buffers[d], 0, sizeof floats, floats);
            for (uint32_t i = 0; i < 64; i++) {
                assert_true(floats[i] == (i < count ? (float)(i * 3 + d * 1000) + 0.25f : 0.0f));
            }
        }
    }
}

static void dispatch_constants_of_each_type_lie_side_by_side(void **state)
{
    ct_fixture *f = *state;
    fm_kernel kernel =
        ct_kernel(f, "x[0] = as_uint(a); x[1] = uint(b); x[2] = c; x[3] = as_uint(d);",
                  CT_PARAMS({"x", FM_DTYPE_U32, FM_ACCESS_WRITE}),
                  CT_CONSTANTS({"a", FM_DTYPE_F32}, {"b", FM_DTYPE_I32}, {"c", FM_DTYPE_U32}, {"d", FM_DTYPE_F32}));
    const struct {
        float a;
        int32_t b;
        uint32_t c;
        float d;
    } constants = {1.5f, -7, 0xFFFFFFF0, -2.0f};
    fm_buffer buffer = ct_buffer(f, 16);
    fm_commands *commands = ct_begin(f);
    fm_dispatch_info info = ct_dispatch_info(kernel, 1, CT_BINDINGS({.buffer = buffer}), &constants, sizeof constants);
    CT_OK(fm_dispatch(commands, &info));
    ct_finish(f, commands);
    ct_expect_content(f, buffer, &constants, sizeof constants);
}

// Each work-item writes its own place and the first of each workgroup adds to a counter: a group run twice, or not at
// all, shows in one of them. `group_count` is the dispatch's, also where the dispatch is split.
static void expect_groups(ct_fixture *f, uint32_t x, uint32_t y, uint32_t z)
{
    static const char body[] =
        "uint group = (group_id.z * group_count.y + group_id.y) * group_count.x + group_id.x;"
        "uint at = group * 4u + local_id.x;"
        "if (at < n) result[at] = at * 3u + group_count.x * 5u + group_count.y * 7u + group_count.z * 11u;"
        "if (local_id.x == 0u) atomic_add(counter[0], 1u);";
    const fm_kernel_param params[2] = {{"result", FM_DTYPE_U32, FM_ACCESS_WRITE},
                                       {"counter", FM_DTYPE_U32, FM_ACCESS_READ_WRITE}};
    fm_kernel_constant constant = {"n", FM_DTYPE_U32};
    fm_kernel_info create = {.name = "groups",
                             .code = body,
                             .params = params,
                             .param_count = 2,
                             .constants = &constant,
                             .constant_count = 1,
                             .group_size = {4, 1, 1}};
    fm_kernel kernel = {0};
    CT_OK(fm_kernel_create(f->device, &create, &kernel));
    uint32_t count = x * y * z * 4;
    fm_buffer out = ct_buffer(f, 4 * (uint64_t)count);
    fm_buffer counter = ct_buffer(f, 4);
    fm_commands *commands = ct_begin(f);
    fm_dispatch_info info =
        ct_dispatch_info(kernel, x, CT_BINDINGS({.buffer = out}, {.buffer = counter}), &count, sizeof count);
    info.group_count[1] = y;
    info.group_count[2] = z;
    CT_OK(fm_dispatch(commands, &info));
    ct_finish(f, commands);
    ct_expect_words(f, counter, 1, x * y * z);
    uint32_t *words = malloc(4 * (size_t)count);
    assert_non_null(words);
    ct_read(f, out, 0, 4 * (uint64_t)count, words);
    uint32_t wrong = 0;
    while (wrong < count && words[wrong] == wrong * 3 + x * 5 + y * 7 + z * 11) wrong++;
    free(words);
    if (wrong < count) fail_msg("%u x %u x %u groups: element %u of %u is wrong", x, y, z, wrong, count);
}

static void dispatch_of_any_group_count_runs_each_group_once(void **state)
{
    static const uint32_t counts[][3] = {
        {1, 1, 1},     {3, 5, 7},     {1, 9, 1},     {1, 1, 9},      {65536, 1, 1}, {70000, 1, 1},
        {1, 70000, 1}, {1, 1, 70000}, {2, 65537, 1}, {131073, 1, 1}, {1, 2, 65537},
    };
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
        expect_groups(*state, counts[i][0], counts[i][1], counts[i][2]);
}

// Bodies that do not ask for their group's number have nothing by which the parts of a split dispatch differ, and run in parts all the same.
static void dispatch_without_a_group_number_runs_in_parts_too(void **state)
{
    ct_fixture *f = *state;
    static const char *const bodies[] = {
        "atomic_add(x[0], 1u);",
        "if (local_id.x == 0u) atomic_add(x[0], 1u);",
        "atomic_add(x[0], group_count.y / group_count.y);",
    };
    const fm_kernel_param param = {"x", FM_DTYPE_U32, FM_ACCESS_READ_WRITE};
    static const uint32_t counts[][3] = {{65536, 1, 1}, {1, 65536, 1}, {1, 1, 70000}, {2, 65537, 1}};
    for (size_t k = 0; k < sizeof bodies / sizeof bodies[0]; k++) {
        fm_kernel_info create = {
            .name = "unnumbered", .code = bodies[k], .params = &param, .param_count = 1, .group_size = {1, 1, 1}};
        fm_kernel kernel = {0};
        CT_OK(fm_kernel_create(f->device, &create, &kernel));
        for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
            fm_buffer buffer = ct_buffer(f, 4);
            fm_commands *commands = ct_begin(f);
            fm_dispatch_info info = ct_dispatch_info(kernel, 1, CT_BINDINGS({.buffer = buffer}), NULL, 0);
            memcpy(info.group_count, counts[i], sizeof counts[i]);
            CT_OK(fm_dispatch(commands, &info));
            ct_finish(f, commands);
            ct_expect_words(f, buffer, 1, counts[i][0] * counts[i][1] * counts[i][2]);
        }
    }
}

// A split dispatch is one command to the hazards around it.
static void dispatch_that_is_split_is_ordered_with_its_neighbours(void **state)
{
    ct_fixture *f = *state;
    const uint32_t count = 70000 * 64;
    fm_kernel step = ct_kernel_step(f);
    fm_buffer buffer = ct_buffer(f, 4 * (uint64_t)count);
    fm_commands *commands = ct_begin(f);
    CT_OK(fm_fill(commands, buffer, 0, FM_WHOLE_SIZE, 1));
    CT_OK(ct_record_set(commands, step, buffer, count, 1)); // 3
    CT_OK(ct_record_set(commands, step, buffer, count, 2)); // 8
    CT_OK(fm_fill(commands, buffer, 0, 4, 100));
    CT_OK(ct_record_set(commands, step, buffer, count, 0)); // 16, and 200 in the first
    ct_finish(f, commands);
    uint32_t first = 0;
    ct_read(f, buffer, 0, 4, &first);
    assert_int_equal(first, 200);
    commands = ct_begin(f);
    CT_OK(fm_fill(commands, buffer, 0, 4, 16));
    ct_finish(f, commands);
    ct_expect_words(f, buffer, count, 16);
}

int ct_group_dispatch(void)
{
    const struct CMUnitTest tests[] = {
        CT_TEST(dispatch_without_an_argument_is_invalid),
        CT_TEST(dispatch_with_wrong_counts_is_invalid),
        CT_TEST(dispatch_of_more_than_the_most_groups_is_invalid),
        CT_TEST(dispatch_of_the_most_groups_is_recorded),
        CT_TEST(dispatch_with_a_part_of_an_element_is_invalid),
        CT_TEST(dispatch_with_a_bad_kernel_is_refused),
        CT_TEST(dispatch_with_a_bad_buffer_is_refused),
        CT_TEST(dispatch_with_a_range_outside_its_buffer_is_out_of_range),
        CT_TEST(dispatch_with_a_misaligned_offset_is_invalid),
        CT_TEST(dispatch_with_a_wrong_dtype_is_invalid),
        CT_TEST(dispatch_that_is_refused_holds_nothing),
        CT_TEST(dispatch_copies_what_it_is_given),
        CT_TEST(dispatch_with_a_size_of_zero_or_whole_binds_to_the_end),
        CT_TEST(dispatch_with_the_most_bindings_reaches_each),
        CT_TEST(dispatch_with_many_constants_sees_each),
        CT_TEST(dispatch_constants_of_each_type_lie_side_by_side),
        CT_TEST(dispatch_of_any_group_count_runs_each_group_once),
        CT_TEST(dispatch_without_a_group_number_runs_in_parts_too),
        CT_TEST(dispatch_that_is_split_is_ordered_with_its_neighbours),
    };
    return cmocka_run_group_tests_name("dispatch", tests, NULL, NULL);
}

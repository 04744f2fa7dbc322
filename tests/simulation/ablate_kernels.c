// Scenarios of kernel variants: the whole key, eviction, and lists that hold what they dispatch (KEY-2, KEY-3). See ablate.h. Single flight,
// which needs threads, is ablated in tests/unit/variant_cache.c.
#include "ablate.h"

#include <string.h>

typedef struct bench {
    fm_device *device;
    fm_stream stream;
    fm_point last; // of the newest commit
} bench;

static void set_up(bench *b, fm_ablation ablation, bool ablate, uint32_t variant_limit)
{
    MUST(fm_device_open("manual", &(fm_device_info){.variant_limit = variant_limit}, &b->device));
    MUST(fm_testing_ablate(b->device, ablation, ablate));
    MUST(fm_stream_create(b->device, NULL, &b->stream));
}

// Lets everything finish, guard or not, and says whether no command touched what nothing held.
static bool tear_down(bench *b)
{
    uint64_t violations;
    MUST(fm_testing_step_in_waits(b->device, 1));
    MUST(fm_point_wait(b->device, b->last, 1000000000));
    MUST(fm_testing_violations(b->device, &violations));
    MUST(fm_device_close(&b->device, 1000000000));
    return violations == 0;
}

static fm_kernel make_kernel(bench *b, const char *body, fm_dtype x_dtype)
{
    const fm_kernel_param params[] = {{"x", x_dtype, FM_ACCESS_READ}, {"y", FM_DTYPE_F32, FM_ACCESS_WRITE}};
    fm_kernel kernel;
    MUST(fm_kernel_create(b->device,
                          &(fm_kernel_info){.name = "one_name", .code = body, .params = params, .param_count = 2},
                          &kernel));
    return kernel;
}

static fm_buffer make_buffer(bench *b, const void *bytes, size_t size_bytes)
{
    fm_buffer buffer;
    MUST(fm_buffer_create(b->device, &(fm_buffer_info){.size_bytes = COUNT * sizeof(float)}, &buffer));
    fm_commands *commands;
    MUST(fm_commands_begin(b->device, NULL, &commands));
    MUST(fm_upload(commands, buffer, 0, size_bytes, bytes));
    MUST(fm_commit(&commands, &(fm_commit_info){.stream = b->stream}, &b->last));
    return buffer;
}

static void dispatch(fm_commands *commands, fm_kernel kernel, fm_buffer x, fm_dtype x_dtype, fm_buffer y)
{
    fm_binding bindings[] = {{.buffer = x, .dtype = x_dtype}, {.buffer = y}};
    MUST(fm_dispatch(commands,
                     &(fm_dispatch_info){
                         .kernel = kernel, .group_count = {1, 1, 1}, .bindings = bindings, .binding_count = 2}));
}

// The trace of the failure: half, half, then float, one name, one list that is not committed yet.
bool ablate_whole_key(bool ablate)
{
    enum { TRACE = 3 };
    static const fm_dtype dtypes[TRACE] = {FM_DTYPE_F16, FM_DTYPE_F16, FM_DTYPE_F32};
    uint16_t halves[COUNT];
    float floats[COUNT], zero[COUNT] = {0}, out[TRACE][COUNT];
    for (int i = 0; i < COUNT; i++) {
        halves[i] = 0x4200; // 3
        floats[i] = 3.0f;
    }
    bench b;
    set_up(&b, FM_ABLATE_WHOLE_KEY, ablate, 0);
    fm_kernel kernel = make_kernel(&b, "uint i = global_id.x; y[i] = 2.0f * x[i] + 1.0f;", FM_DTYPE_NONE);
    fm_buffer x16 = make_buffer(&b, halves, sizeof halves), x32 = make_buffer(&b, floats, sizeof floats);
    fm_commands *commands;
    MUST(fm_commands_begin(b.device, NULL, &commands));
    for (int t = 0; t < TRACE; t++) {
        fm_buffer y = make_buffer(&b, zero, sizeof zero);
        dispatch(commands, kernel, dtypes[t] == FM_DTYPE_F16 ? x16 : x32, dtypes[t], y);
        MUST(fm_read(commands, y, 0, sizeof out[t], out[t]));
    }
    MUST(fm_commit(&commands, &(fm_commit_info){.stream = b.stream}, &b.last));
    bool without_violation = tear_down(&b);
    bool right = true;
    for (int i = 0; i < TRACE * COUNT; i++) {
        right &= out[i / COUNT][i % COUNT] == 7.0f;
    }
    return without_violation && right;
}

// The cache has room for one variant; another comes while a list holds it.
bool ablate_evict_unheld(bool ablate)
{
    float x[COUNT] = {0};
    bench b;
    set_up(&b, FM_ABLATE_EVICT_UNHELD, ablate, 1);
    fm_kernel kernel = make_kernel(&b, "y[global_id.x] = x[0] + 1.0f;", FM_DTYPE_F32);
    fm_buffer buffer = make_buffer(&b, x, sizeof x), target = make_buffer(&b, x, sizeof x);
    fm_commands *commands;
    MUST(fm_commands_begin(b.device, NULL, &commands));
    dispatch(commands, kernel, buffer, FM_DTYPE_NONE, target);
    make_kernel(&b, "y[global_id.x] = x[0] + 2.0f;", FM_DTYPE_F32);
    MUST(fm_commit(&commands, &(fm_commit_info){.stream = b.stream}, &b.last));
    return tear_down(&b);
}

// The same, and the list itself lets go at the commit.
bool ablate_hold_variants(bool ablate)
{
    float x[COUNT] = {0};
    bench b;
    set_up(&b, FM_ABLATE_HOLD_KERNELS, ablate, 1);
    fm_kernel kernel = make_kernel(&b, "y[global_id.x] = x[0] + 1.0f;", FM_DTYPE_F32);
    fm_buffer buffer = make_buffer(&b, x, sizeof x), target = make_buffer(&b, x, sizeof x);
    fm_commands *commands;
    MUST(fm_commands_begin(b.device, NULL, &commands));
    dispatch(commands, kernel, buffer, FM_DTYPE_NONE, target);
    MUST(fm_commit(&commands, &(fm_commit_info){.stream = b.stream}, &b.last));
    make_kernel(&b, "y[global_id.x] = x[0] + 2.0f;", FM_DTYPE_F32);
    return tear_down(&b);
}

// A reusable list is committed twice, patched in between, and all that it runs is evicted each time.
bool ablate_evict_reusable(bool ablate)
{
    float x[COUNT] = {0};
    bench b;
    set_up(&b, FM_ABLATE_EVICT_UNHELD, ablate, 1);
    fm_kernel kernel = make_kernel(&b, "y[global_id.x] = x[0] + 1.0f;", FM_DTYPE_NONE);
    fm_buffer buffer = make_buffer(&b, x, sizeof x), target = make_buffer(&b, x, sizeof x);
    fm_commands *commands;
    MUST(fm_commands_begin(b.device, &(fm_commands_info){.flags = FM_COMMANDS_REUSABLE}, &commands));
    dispatch(commands, kernel, buffer, FM_DTYPE_F32, target);
    MUST(fm_commit(&commands, &(fm_commit_info){.stream = b.stream}, &b.last));
    make_kernel(&b, "y[global_id.x] = x[0] + 2.0f;", FM_DTYPE_F32);
    MUST(fm_commit(&commands, &(fm_commit_info){.stream = b.stream}, &b.last));
    fm_binding bindings[] = {{.buffer = buffer, .dtype = FM_DTYPE_I32}, {.buffer = target}};
    MUST(fm_patch(commands, 0,
                  &(fm_dispatch_info){
                      .kernel = kernel, .group_count = {1, 1, 1}, .bindings = bindings, .binding_count = 2}));
    make_kernel(&b, "y[global_id.x] = x[0] + 3.0f;", FM_DTYPE_F32);
    MUST(fm_commit(&commands, &(fm_commit_info){.stream = b.stream}, &b.last));
    MUST(fm_commands_cancel(&commands));
    return tear_down(&b);
}

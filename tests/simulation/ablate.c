// Every guard, proven both ways on the manual device: each scenario passes with the guard and fails without it, every time
// (ABLATE-2). One thread, no clocks: a race is an order of calls. `ablate --table` prints what `make ablate` shows.
#include <fermata/testing.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { COUNT = 64, ALL = 1 << 20 };

// A manual device with one guard perhaps missing, and what most scenarios need.
typedef struct bench {
    fm_device *device;
    fm_stream stream;
    fm_kernel twice;
    fm_buffer x, y;
    float out[COUNT];
} bench;

static void must(fm_status status, int line)
{
    if (status != FM_OK) {
        fprintf(stderr, "ablate.c:%d: %s: %s\n", line, fm_status_name(status), fm_last_error());
        abort(); // a scenario's own set-up never fails, with or without the guard
    }
}
#define MUST(call) must(call, __LINE__)

static fm_status run_twice(const fm_host_call *call)
{
    const float *x = call->bindings[0];
    float *y = call->bindings[1];
    for (int i = 0; i < COUNT; i++) {
        y[i] = 2.0f * x[i] + 1.0f;
    }
    return FM_OK;
}

static fm_status run_broken(const fm_host_call *call)
{
    (void)call;
    return FM_ERROR_KERNEL_FAILED;
}

static fm_kernel make_kernel(bench *b, fm_host_function function)
{
    static const fm_kernel_param params[] = {{"x", FM_DTYPE_F32, FM_ACCESS_READ}, {"y", FM_DTYPE_F32, FM_ACCESS_WRITE}};
    fm_kernel kernel;
    MUST(fm_kernel_create(b->device,
                          &(fm_kernel_info){.name = "twice",
                                            .language = FM_KERNEL_HOST_FUNCTION,
                                            .params = params,
                                            .param_count = 2,
                                            .host_function = function},
                          &kernel));
    return kernel;
}

static fm_buffer make_buffer(bench *b)
{
    fm_buffer buffer;
    MUST(fm_buffer_create(b->device, &(fm_buffer_info){.size_bytes = COUNT * sizeof(float)}, &buffer));
    return buffer;
}

static void set_up(bench *b, fm_ablation ablation, bool ablate, const fm_device_info *info)
{
    memset(b, 0, sizeof *b);
    MUST(fm_device_open("manual", info, &b->device));
    MUST(fm_testing_ablate(b->device, ablation, ablate));
    MUST(fm_stream_create(b->device, NULL, &b->stream));
    b->twice = make_kernel(b, run_twice);
    b->x = make_buffer(b);
    b->y = make_buffer(b);
    for (int i = 0; i < COUNT; i++) {
        b->out[i] = -1.0f;
    }
}

// Lets everything finish, guard or not, and says whether no command touched what nothing held.
static bool tear_down(bench *b)
{
    uint64_t violations;
    MUST(fm_testing_step_in_waits(b->device, 1));
    MUST(fm_testing_step(b->device, ALL, NULL));
    MUST(fm_testing_violations(b->device, &violations));
    MUST(fm_device_close(&b->device, 1000000000));
    return violations == 0;
}

static uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static void record_fill(bench *b, fm_commands *commands, float value)
{
    MUST(fm_fill(commands, b->x, 0, FM_WHOLE_SIZE, bits_of(value)));
}

static fm_commands *begin(bench *b)
{
    fm_commands *commands;
    MUST(fm_commands_begin(b->device, NULL, &commands));
    return commands;
}

static void record_twice(bench *b, fm_commands *commands, fm_kernel kernel)
{
    fm_binding bindings[] = {{.buffer = b->x}, {.buffer = b->y}};
    MUST(fm_dispatch(commands,
                     &(fm_dispatch_info){
                         .kernel = kernel, .group_count = {1, 1, 1}, .bindings = bindings, .binding_count = 2}));
}

static fm_point commit(bench *b, fm_commands *commands)
{
    fm_point point;
    MUST(fm_commit(&commands, &(fm_commit_info){.stream = b->stream}, &point));
    return point;
}

static bool all_are(const float *out, float expected)
{
    for (int i = 0; i < COUNT; i++) {
        if (out[i] != expected) {
            return false;
        }
    }
    return true;
}

// fill x, y = 2x + 1, read y: the list that the lifetime scenarios disturb.
static fm_commands *record_all(bench *b, float value)
{
    fm_commands *commands = begin(b);
    record_fill(b, commands, value);
    record_twice(b, commands, b->twice);
    MUST(fm_read(commands, b->y, 0, sizeof b->out, b->out));
    return commands;
}

// x = 3 has run; y = 2x + 1 and the read of y are committed and have not.
static fm_point commit_twice_of_three(bench *b)
{
    fm_commands *commands = begin(b);
    record_fill(b, commands, 3.0f);
    fm_point filled = commit(b, commands);
    MUST(fm_testing_step(b->device, ALL, NULL));
    MUST(fm_point_poll(b->device, filled));
    commands = begin(b);
    record_twice(b, commands, b->twice);
    MUST(fm_read(commands, b->y, 0, sizeof b->out, b->out));
    return commit(b, commands);
}

static bool finish(bench *b, fm_point point, float expected)
{
    MUST(fm_testing_step(b->device, ALL, NULL));
    bool right = fm_point_poll(b->device, point) == FM_OK && all_are(b->out, expected);
    return tear_down(b) && right;
}

// The caller drops an input right after the commit; the next buffer gets its memory if nothing holds it (`001`, MLX).
static bool hold_buffers(bool ablate)
{
    bench b;
    set_up(&b, FM_ABLATE_HOLD_BUFFERS, ablate, NULL);
    fm_point point = commit_twice_of_three(&b);
    MUST(fm_buffer_destroy(b.device, b.x));
    make_buffer(&b);
    return finish(&b, point, 7.0f);
}

// A kernel destroyed between commit and execution (`004`, MLX).
static bool hold_kernels(bool ablate)
{
    bench b;
    set_up(&b, FM_ABLATE_HOLD_KERNELS, ablate, NULL);
    fm_point point = commit(&b, record_all(&b, 3.0f));
    MUST(fm_kernel_destroy(b.device, b.twice));
    return finish(&b, point, 7.0f);
}

// A temporary input dropped while the list is still recorded: only the bind path has seen it (`001`: nine kernels' temporaries).
static bool hold_in_bind(bool ablate)
{
    bench b;
    set_up(&b, FM_ABLATE_HOLD_IN_BIND, ablate, NULL);
    static float ones[COUNT];
    for (int i = 0; i < COUNT; i++) {
        ones[i] = 3.0f;
    }
    fm_commands *commands = begin(&b);
    MUST(fm_upload(commands, b.x, 0, sizeof ones, ones));
    fm_point filled = commit(&b, commands);
    MUST(fm_testing_step(b.device, ALL, NULL));
    MUST(fm_point_poll(b.device, filled));
    commands = begin(&b);
    record_twice(&b, commands, b.twice);
    MUST(fm_buffer_destroy(b.device, b.x));
    make_buffer(&b);
    MUST(fm_read(commands, b.y, 0, sizeof b.out, b.out));
    return finish(&b, commit(&b, commands), 7.0f);
}

// Submitted is not done: the batch is on the device, nothing of it has run (`003`, Quadrants: freed at flush).
static bool free_after_done(bool ablate)
{
    bench b;
    set_up(&b, FM_ABLATE_FREE_AFTER_DONE, ablate, NULL);
    fm_point point = commit_twice_of_three(&b);
    MUST(fm_buffer_destroy(b.device, b.x));
    MUST(fm_buffer_destroy(b.device, b.y));
    make_buffer(&b);
    make_buffer(&b);
    return finish(&b, point, 7.0f);
}

// Two batches are in flight and done but not collected, so the read's own list still waits in the queue when "everything in
// flight" is over (`000`, candle).
static bool read_own_list(bool ablate)
{
    bench b;
    set_up(&b, FM_ABLATE_READ_OWN_LIST, ablate, &(fm_device_info){.batches_in_flight = 2});
    fm_commands *commands = begin(&b);
    record_fill(&b, commands, 3.0f);
    commit(&b, commands);
    commands = begin(&b);
    record_twice(&b, commands, b.twice);
    commit(&b, commands);
    MUST(fm_testing_step(b.device, ALL, NULL));
    MUST(fm_testing_step_in_waits(b.device, 1));
    bool right =
        fm_buffer_read(b.device, b.stream, b.y, 0, sizeof b.out, b.out, 1000000000) == FM_OK && all_are(b.out, 7.0f);
    return tear_down(&b) && right;
}

// Fill, dispatch and read depend on each other; the device runs a wave's commands last to first.
static bool barriers(bool ablate)
{
    bench b;
    set_up(&b, FM_ABLATE_BARRIERS, ablate, NULL);
    MUST(fm_testing_set_order(b.device, 1));
    return finish(&b, commit(&b, record_all(&b, 3.0f)), 7.0f);
}

// RETIRE-9. Two batches of one stream complete before anyone looks; a published point must never become incomplete again.
static bool ordered_publish(bool ablate)
{
    bench b;
    set_up(&b, FM_ABLATE_ORDERED_PUBLISH, ablate, &(fm_device_info){.batches_in_flight = 2});
    fm_commands *commands = begin(&b);
    record_fill(&b, commands, 1.0f);
    fm_point first = commit(&b, commands);
    commands = begin(&b);
    record_fill(&b, commands, 2.0f);
    fm_point second = commit(&b, commands);
    MUST(fm_testing_step(b.device, ALL, NULL));
    bool right = fm_point_poll(b.device, first) == FM_OK && fm_point_poll(b.device, second) == FM_OK;
    if (!right) { // without the order this stream never catches up: close would wait for nothing else
        tear_down(&b);
        return false;
    }
    return tear_down(&b);
}

// A failed list among good ones, and nobody asked about it before everything was collected.
static bool keep_failures(bool ablate)
{
    bench b;
    set_up(&b, FM_ABLATE_KEEP_FAILURES, ablate, NULL);
    fm_commands *commands = begin(&b);
    record_twice(&b, commands, make_kernel(&b, run_broken));
    fm_point failed = commit(&b, commands);
    MUST(fm_testing_step(b.device, ALL, NULL));
    fm_point_poll(b.device, failed); // collects; this answer is thrown away
    bool told = fm_point_poll(b.device, failed) == FM_ERROR_KERNEL_FAILED;
    return tear_down(&b) && told;
}

// A program that only reads back, with a temporary each time, stays bounded.
static bool retire_on_read(bool ablate)
{
    bench b;
    set_up(&b, FM_ABLATE_RETIRE_ON_READ, ablate, NULL);
    MUST(fm_testing_step_in_waits(b.device, 1));
    fm_device_stats stats;
    uint64_t first_peak = 0;
    for (int i = 0; i < 50; i++) {
        fm_buffer temporary = make_buffer(&b);
        fm_commands *commands = begin(&b);
        MUST(fm_fill(commands, temporary, 0, FM_WHOLE_SIZE, 0));
        commit(&b, commands);
        MUST(fm_buffer_read(b.device, b.stream, temporary, 0, sizeof b.out, b.out, 1000000000));
        MUST(fm_buffer_destroy(b.device, temporary));
        MUST(fm_device_get_stats(b.device, &stats));
        first_peak = i == 0 ? stats.bytes_in_use_peak : first_peak;
    }
    bool bounded = stats.bytes_in_use_peak == first_peak;
    return tear_down(&b) && bounded;
}

// Three batches in flight, the limit; the oldest is done. The next commit needs that one alone.
static bool wait_for_oldest(bool ablate)
{
    bench b;
    set_up(&b, FM_ABLATE_WAIT_FOR_OLDEST, ablate,
           &(fm_device_info){.batches_in_flight = 3, .lists_in_flight = 3, .commit_timeout_ns = 1000000});
    for (int i = 0; i < 3; i++) {
        fm_commands *commands = begin(&b);
        record_fill(&b, commands, 1.0f);
        commit(&b, commands);
    }
    MUST(fm_testing_step(b.device, 1, NULL)); // one list is one command
    fm_commands *commands = begin(&b);
    record_fill(&b, commands, 2.0f);
    fm_status status = fm_commit(&commands, &(fm_commit_info){.stream = b.stream}, NULL);
    MUST(fm_commands_cancel(&commands)); // still ours if the commit was refused
    return tear_down(&b) && status == FM_OK;
}

typedef struct guard {
    const char *name;
    const char *requirement;
    const char *failure; // what happens without it
    bool (*passes)(bool ablate);
} guard;

static const guard guards[FM_ABLATE_COUNT] = {
    [FM_ABLATE_HOLD_BUFFERS] = {"hold buffers", "HOLD-1", "another buffer's bytes are read", hold_buffers},
    [FM_ABLATE_HOLD_KERNELS] = {"hold kernels", "HOLD-1 KEY-3", "a destroyed kernel is run", hold_kernels},
    [FM_ABLATE_HOLD_IN_BIND] = {"hold in the bind path", "HOLD-2", "a temporary's memory is reused", hold_in_bind},
    [FM_ABLATE_FREE_AFTER_DONE] = {"free after done", "RETIRE-1", "memory is freed at submit", free_after_done},
    [FM_ABLATE_READ_OWN_LIST] = {"read waits for its own list", "READ-1", "stale bytes are read", read_own_list},
    [FM_ABLATE_BARRIERS] = {"barriers", "LEARNED-13", "dependent commands run in any order", barriers},
    [FM_ABLATE_ORDERED_PUBLISH] = {"ordered publishing", "LEARNED-1", "a complete point turns incomplete",
                                   ordered_publish},
    [FM_ABLATE_KEEP_FAILURES] = {"failures are kept", "READ-5", "a failure reads as success", keep_failures},
    [FM_ABLATE_RETIRE_ON_READ] = {"reads retire", "READ-4", "memory grows with each read", retire_on_read},
    [FM_ABLATE_WAIT_FOR_OLDEST] = {"limit waits for the oldest", "RETIRE-4", "the commit waits for everything",
                                   wait_for_oldest},
};

static void guard_present_passes_and_absent_fails(void **state)
{
    const guard *g = *state;
    for (int run = 0; run < 10; run++) {
        assert_true(g->passes(false));
        assert_false(g->passes(true));
    }
}

static int print_table(void)
{
    enum { RUNS = 100 };
    int bad = 0;
    printf("| guard | requirement | without it | failed without, of %d | failed with, of %d |\n|---|---|---|---|---|\n",
           RUNS, RUNS);
    for (int i = 0; i < FM_ABLATE_COUNT; i++) {
        int without = 0, with = 0;
        for (int run = 0; run < RUNS; run++) {
            without += !guards[i].passes(true);
            with += !guards[i].passes(false);
        }
        bad += without != RUNS || with != 0;
        printf("| %s | %s | %s | %d | %d |\n", guards[i].name, guards[i].requirement, guards[i].failure, without, with);
    }
    return bad ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--table") == 0) {
        return print_table();
    }
    struct CMUnitTest tests[FM_ABLATE_COUNT];
    for (int i = 0; i < FM_ABLATE_COUNT; i++) {
        tests[i] =
            (struct CMUnitTest){guards[i].name, guard_present_passes_and_absent_fails, NULL, NULL, (void *)&guards[i]};
    }
    return cmocka_run_group_tests_name("ablate", tests, NULL, NULL);
}

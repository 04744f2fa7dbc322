// exit() at any moment (LAND-4): the process ends with its own status, soon, whatever is in flight and whatever other threads do just then.
// FERMATA_TEST_DEVICE names the device. Each case is a fresh program: this one, spawned with the case's name and a delay. On the real drivers most
// cases are a matter of luck where there is no gate (src/backend/vulkan/gate.c); with VK_LAYER_FERMATA_late (late_layer.c) they are not.
#include "process.h"

#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

enum {
    STATUS = 7,    // what every case ends with
    BROKEN = 1,    // it could not even begin
    LISTS = 3,     // in flight
    STEP_US = 900, // between the delays of a case's runs
    RUNS = 10,     // of the cases that depend on the moment
    MOST_S = 120,  // for a run
    BUSY_THREADS = 4,
    SOON_S = 1, // what is at once: less than threads are held
};

// AddressSanitizer's settings. Who exits with work in flight leaves what the work needs, and that is no leak.
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}

static struct {
    fm_device *device;
    fm_stream stream;
    fm_buffer buffer;
    fm_kernel kernel;
    fm_commands *commands; // being recorded
    fm_point newest;
} own;

// A kernel that takes a while to compile and some milliseconds to run; no two are alike.
static fm_status create_kernel(uint32_t number, fm_kernel *out)
{
    char code[256];
    snprintf(code, sizeof code,
             "float s = %u.0; for (int k = 0; k < 200; k++) s = sin(s) + y[global_id.x];\n"
             "y[global_id.x] = s + exp(s) + tanh(s) + pow(abs(s), 1.5);",
             number);
    const fm_kernel_param param = {"y", FM_DTYPE_F32, FM_ACCESS_READ_WRITE};
    return fm_kernel_create(own.device,
                            &(fm_kernel_info){.name = "slow", .code = code, .params = &param, .param_count = 1}, out);
}

static fm_status commit(fm_kernel kernel, fm_point *out_point)
{
    fm_commands *commands = NULL;
    const fm_binding binding = {.buffer = own.buffer};
    const fm_dispatch_info dispatch = {
        .kernel = kernel, .group_count = {64, 1, 1}, .bindings = &binding, .binding_count = 1};
    fm_status status = fm_commands_begin(own.device, NULL, &commands);
    if (status == FM_OK) status = fm_dispatch(commands, &dispatch);
    if (status == FM_OK) status = fm_commit(&commands, &(fm_commit_info){.stream = own.stream}, out_point);
    return status;
}

static void begin(void)
{
    bool good = pt_open(&own.device) && fm_stream_create(own.device, NULL, &own.stream) == FM_OK &&
                fm_buffer_create(own.device, &(fm_buffer_info){.size_bytes = 4 * 4096}, &own.buffer) == FM_OK &&
                create_kernel(0, &own.kernel) == FM_OK;
    for (int i = 0; i < LISTS && good; i++) good = commit(own.kernel, &own.newest) == FM_OK;
    if (!good) _exit(BROKEN);
}

static void leave_from_main(void)
{
    begin();
}

static void *leave_from_thread(void *delay_us)
{
    usleep(*(const uint32_t *)delay_us);
    exit(STATUS);
}

static uint32_t delay_us; // of this run

static void leave_while_main_waits(void)
{
    begin();
    pthread_t thread;
    if (pthread_create(&thread, NULL, leave_from_thread, &delay_us) != 0) _exit(BROKEN);
    for (;;) {
        fm_status status = fm_point_wait(own.device, own.newest, PT_TIMEOUT_NS);
        if (status == FM_OK) status = commit(own.kernel, &own.newest);
        if (status != FM_OK) _exit(2); // while it ends, no one is told of it
    }
}

static void exit_here(void *user, fm_point point, fm_status status)
{
    (void)user, (void)point;
    exit(status == FM_OK ? STATUS : 2);
}

static void leave_from_callback(void)
{
    begin();
    if (fm_point_on_complete(own.device, own.newest, exit_here, NULL) != FM_OK) _exit(BROKEN);
    (void)fm_device_close(&own.device, PT_TIMEOUT_NS);
    pause();
}

static void exit_by_signal(int number)
{
    (void)number;
    exit(STATUS);
}

// exit() in a handler of a signal is none of our business, but people do it, and the thread may be in a driver then.
static void leave_by_signal(void)
{
    begin();
    signal(SIGUSR1, exit_by_signal);
    pthread_t main_thread = pthread_self();
    usleep(delay_us);
    pthread_kill(main_thread, SIGUSR1);
}

static void *keep_busy(void *context)
{
    static _Atomic(uint32_t) number = 1;
    float values[64];
    const uint32_t part = *(const uint32_t *)context;
    for (;;) {
        fm_status status = FM_OK;
        fm_kernel kernel;
        fm_buffer buffer;
        fm_device *device = NULL;
        switch (part) {
        case 0:
            status = fm_buffer_read(own.device, own.stream, own.buffer, 0, sizeof values, values, PT_TIMEOUT_NS);
            break;
        case 1:
            status = create_kernel(atomic_fetch_add(&number, 1), &kernel);
            if (status == FM_OK) status = commit(kernel, &own.newest);
            if (status == FM_OK) status = fm_kernel_destroy(own.device, kernel);
            break;
        case 2:
            status = fm_buffer_create(own.device, &(fm_buffer_info){.size_bytes = 80 << 20}, &buffer);
            if (status == FM_OK) status = fm_buffer_destroy(own.device, buffer);
            if (status == FM_OK) status = fm_device_trim(own.device, NULL);
            break;
        default:
            status = fm_device_open(pt_device_name(), &(fm_device_info){.log = pt_log_nothing}, &device);
            if (status == FM_OK) status = fm_device_close(&device, PT_TIMEOUT_NS);
            break;
        }
        if (status != FM_OK) _exit(2);
    }
    return NULL;
}

static void leave_busy_threads(void)
{
    static const uint32_t parts[BUSY_THREADS] = {0, 1, 2, 3};
    begin();
    for (int i = 0; i < BUSY_THREADS; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, keep_busy, (void *)(uintptr_t)&parts[i]) != 0) _exit(BROKEN);
    }
}

// Registered before the device is opened, so it runs when a driver has gone: then each call answers, at once. The host device has none.
static void call_late(void)
{
    const fm_status expected = strcmp(pt_device_name(), "host") == 0 ? FM_OK : FM_ERROR_CLOSED;
    fm_device_stats stats;
    fm_buffer buffer;
    float value;
    struct timespec from, to;
    clock_gettime(CLOCK_MONOTONIC, &from);
    const fm_status answers[] = {
        fm_device_get_stats(own.device, &stats),
        fm_buffer_create(own.device, &(fm_buffer_info){.size_bytes = 64}, &buffer),
        fm_buffer_read(own.device, own.stream, own.buffer, 0, sizeof value, &value, PT_TIMEOUT_NS),
        fm_point_wait(own.device, own.newest, PT_TIMEOUT_NS),
        fm_fill(own.commands, own.buffer, 0, 4, 7),
        fm_commands_cancel(&own.commands),
        fm_device_close(&own.device, PT_TIMEOUT_NS),
        fm_device_open(pt_device_name(), &(fm_device_info){.log = pt_log_nothing}, &own.device),
    };
    clock_gettime(CLOCK_MONOTONIC, &to);
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        if (answers[i] != expected) {
            fprintf(stderr, "late call %zu: %s (%s)\n", i, fm_status_name(answers[i]), fm_last_error());
            _exit(3);
        }
    }
    if (expected != FM_OK && to.tv_sec - from.tv_sec > SOON_S) _exit(4);
}

static void leave_to_late_handler(void)
{
    if (atexit(call_late) != 0) _exit(BROKEN);
    begin();
    if (fm_commands_begin(own.device, NULL, &own.commands) != FM_OK) _exit(BROKEN);
}

// Registered behind the opening: it runs before the end, and everything still works.
static void call_early(void)
{
    float values[64];
    if (commit(own.kernel, &own.newest) != FM_OK || fm_point_wait(own.device, own.newest, PT_TIMEOUT_NS) != FM_OK ||
        fm_buffer_read(own.device, own.stream, own.buffer, 0, sizeof values, values, PT_TIMEOUT_NS) != FM_OK ||
        fm_device_close(&own.device, PT_TIMEOUT_NS) != FM_OK) {
        _exit(3);
    }
}

static void leave_to_early_handler(void)
{
    begin();
    if (atexit(call_early) != 0) _exit(BROKEN);
}

static pthread_t worker;
static _Atomic(bool) worker_stops;

static void *commit_and_wait(void *unused)
{
    (void)unused;
    fm_status status = FM_OK;
    while (!atomic_load(&worker_stops) && status == FM_OK) {
        status = commit(own.kernel, &own.newest);
        if (status == FM_OK) status = fm_point_wait(own.device, own.newest, FM_FOREVER);
    }
    return (void *)(intptr_t)status;
}

static void join_worker(void)
{
    void *answer = NULL;
    atomic_store(&worker_stops, true);
    pthread_join(worker, &answer);
    fm_status status = (fm_status)(intptr_t)answer;
    if (status != FM_OK && status != FM_ERROR_CLOSED && status != FM_ERROR_DEVICE_LOST) _exit(3);
}

// As the destructor of a pool of threads does: the thread may be held by then, and is let go.
static void leave_to_handler_that_joins(void)
{
    if (atexit(join_worker) != 0) _exit(BROKEN);
    begin();
    if (pthread_create(&worker, NULL, commit_and_wait, NULL) != 0) _exit(BROKEN);
}

// A child of a process that computes leaves by exit() as well; it has none of its parent's threads.
static void leave_from_child(void)
{
    begin();
    usleep(delay_us);
    pid_t child = fork();
    if (child == 0) exit(STATUS);
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status) != STATUS) {
        _exit(2);
    }
}

// A case and how often it runs, each time with another delay.
static const struct {
    const char *name;
    void (*body)(void); // what it leaves running
    uint32_t runs;
} cases[] = {
    {"from_main", leave_from_main, RUNS},
    {"while_main_waits", leave_while_main_waits, RUNS},
    {"from_callback", leave_from_callback, 4},
    {"by_signal", leave_by_signal, 8},
    {"with_busy_threads", leave_busy_threads, RUNS},
    {"to_late_handler", leave_to_late_handler, 4},
    {"to_early_handler", leave_to_early_handler, 4},
    {"to_handler_that_joins", leave_to_handler_that_joins, 2},
    {"from_child", leave_from_child, 8},
};

enum { CASES = sizeof cases / sizeof cases[0] };

static int run_case(uint32_t number, uint32_t delay)
{
    delay_us = delay;
    alarm(MOST_S);
    cases[number].body();
    usleep(delay_us);
    exit(STATUS);
}

static void check_case(uint32_t number)
{
    for (uint32_t run = 0; run < cases[number].runs; run++) {
        char which[16], delay[16];
        snprintf(which, sizeof which, "%u", number);
        snprintf(delay, sizeof delay, "%u", run * STEP_US);
        char *arguments[] = {"process-exit", which, delay, NULL};
        pid_t child;
        int status = 0;
        assert_int_equal(posix_spawn(&child, "/proc/self/exe", NULL, NULL, arguments, environ), 0);
        assert_int_equal(waitpid(child, &status, 0), child);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != STATUS) {
            fail_msg("%s, after %s us: %s %d", cases[number].name, delay, WIFSIGNALED(status) ? "signal" : "status",
                     WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
        }
    }
}

static void exit_keeps_the_status(void **state)
{
    check_case((uint32_t)(uintptr_t)*state);
}

int main(int argc, char **argv)
{
    if (argc == 3) {
        return run_case((uint32_t)strtoul(argv[1], NULL, 10), (uint32_t)strtoul(argv[2], NULL, 10));
    }
    if (!pt_device_is_there()) return PT_SKIPPED;
    struct CMUnitTest tests[CASES];
    char names[CASES][64];
    for (uint32_t i = 0; i < CASES; i++) {
        snprintf(names[i], sizeof names[i], "exit_%s_keeps_the_status", cases[i].name);
        tests[i] = (struct CMUnitTest){names[i], exit_keeps_the_status, NULL, NULL, (void *)(uintptr_t)i};
    }
    return cmocka_run_group_tests_name("process: exit", tests, NULL, NULL);
}

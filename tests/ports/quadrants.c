// Ports from Quadrants #538 (deferred frees): the walk of five launches of its review, 10,000 commits without a wait, and eight idle
// streams (RETIRE-1 … RETIRE-6, LEARNED-10). There the batch of the first launch was freed three flushes late, the queue either grew
// without bound or was drained whole, and a comment described a mechanism that did not exist.
#include "ports.h"

#include <ctype.h>
#include <dirent.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { HEAP_BYTES = 1 << 20, COMMITS = 10000, LISTS = 64, TEMPORARY_BYTES = 4096, STREAMS = 8 };

static fm_point launch(ct_fixture *f, fm_kernel step, fm_buffer heap, uint32_t value)
{
    fm_commands *commands = ct_begin(f);
    CT_OK(ct_record_set(commands, step, heap, 64, value));
    return ct_commit(&commands, f->stream);
}

// K1 is flushed and its heap dropped, K2 is read back: K1's batch must be free then, not three flushes later. K3 to K5 do not
// add to what is held, either.
static void port_retire_5_walk_of_five_launches_frees_the_first_at_the_readback_of_the_second(void **state)
{
    ct_fixture *f = *state;
    fm_kernel step = ct_kernel_step(f);
    fm_buffer out = ct_buffer(f, 256);
    ct_wait_idle(f);
    const uint64_t before = ct_stats(f).bytes_in_use;
    for (uint32_t round = 0; round < 20; round++) {
        fm_buffer heap = ct_buffer(f, HEAP_BYTES);
        launch(f, step, heap, 1); // K1
        CT_OK(fm_buffer_destroy(f->device, heap));
        launch(f, step, out, 1); // K2, with its external array
        uint32_t words[64];
        ct_read(f, out, 0, sizeof words, words);
        ct_wait_idle(f); // the read has retired K1; who let go of its holds may still be at it
        assert_true(ct_stats(f).bytes_in_use <= before + HEAP_BYTES / 2);
        fm_point last = {{0}, 0};
        for (uint32_t k = 3; k <= 5; k++) {
            heap = ct_buffer(f, HEAP_BYTES);
            last = launch(f, step, heap, k);
            CT_OK(fm_buffer_destroy(f->device, heap));
        }
        assert_true(ct_stats(f).bytes_in_use <= before + 3 * HEAP_BYTES + HEAP_BYTES / 2);
        CT_OK(fm_point_wait(f->device, last, CT_TIMEOUT_NS));
        ct_wait_idle(f);
        assert_true(ct_stats(f).bytes_in_use <= before + HEAP_BYTES / 2);
    }
}

// A commit that waited at the limit waited for the oldest list alone if others were still in flight when it was through. One that
// drains everything leaves its own list alone, each time; one wait or another may see that by chance.
static void commit_without_a_wait(ct_fixture *f, uint32_t commits, uint32_t *out_last)
{
    fm_kernel step = ct_kernel_step(f);
    fm_buffer total = ct_buffer(f, 256);
    uint64_t waits = 0, for_the_oldest = 0;
    for (uint32_t i = 0; i < commits; i++) {
        fm_buffer temporary = ct_buffer(f, TEMPORARY_BYTES);
        fm_commands *commands = ct_begin(f);
        CT_OK(ct_record_set(commands, step, temporary, 64, i));
        CT_OK(fm_copy(commands, temporary, 0, total, 0, 256));
        CT_OK(fm_buffer_destroy(f->device, temporary));
        ct_commit(&commands, f->stream);
        fm_device_stats stats = ct_stats(f);
        for_the_oldest += stats.limit_waits > waits && stats.lists_in_flight > 1;
        waits = stats.limit_waits;
    }
    assert_int_equal(ct_stats(f).commits, commits);
    print_message("%llu commits waited at the limit, %llu of them left others in flight\n", (unsigned long long)waits,
                  (unsigned long long)for_the_oldest);
    assert_true(waits == 0 || for_the_oldest > 0);
    assert_int_equal(ct_stats(f).full_drains, 0);
    CT_OK(fm_buffer_read(f->device, f->stream, total, 0, 4, out_last, CT_TIMEOUT_NS));
    CT_OK(fm_buffer_destroy(f->device, total));
}

// A limit that 10,000 commits meet often: held memory stays within it, and no wait at it lasts longer than for the oldest.
static void port_retire_6_10000_commits_at_a_limit_are_bounded_without_a_full_drain(void **state)
{
    ct_fixture *f = *state;
    CT_OK(fm_device_close(&f->device, CT_TIMEOUT_NS));
    fm_device_info open = {.lists_in_flight = LISTS, .log = ct_log_nothing};
    CT_OK(fm_device_open(f->device_name, &open, &f->device));
    CT_OK(fm_stream_create(f->device, NULL, &f->stream));
    uint32_t last = 0;
    commit_without_a_wait(f, COMMITS, &last);
    assert_int_equal(last, COMMITS - 1); // of a new buffer, so 2 * 0 + i
    fm_device_stats stats = ct_stats(f);
    assert_true(stats.lists_in_flight <= LISTS);
    assert_true(stats.bytes_in_use_peak <= UINT64_C(4) * LISTS * TEMPORARY_BYTES);
    ct_wait_idle(f);
    CT_OK(fm_device_trim(f->device, NULL)); // what idle recorders keep for their next list
    assert_true(ct_stats(f).bytes_in_use <= TEMPORARY_BYTES);
}

// The same with the settings of any program.
static void port_retire_6_10000_commits_without_a_wait_are_bounded_by_default(void **state)
{
    ct_fixture *f = *state;
    uint32_t last = 0;
    commit_without_a_wait(f, COMMITS, &last);
    assert_int_equal(last, COMMITS - 1);
    assert_true(ct_stats(f).bytes_in_use_peak <= UINT64_C(2) * 4096 * TEMPORARY_BYTES);
    ct_wait_idle(f);
    CT_OK(fm_device_trim(f->device, NULL)); // what idle recorders keep for their next list
    assert_true(ct_stats(f).bytes_in_use <= TEMPORARY_BYTES);
}

// --- idle -------------------------------------------------------------------------------------------------------------

// What the process's other threads have done so far: how often they gave up the processor, and nanoseconds on it.
typedef struct activity {
    uint64_t switches;
    uint64_t running_ns;
    uint32_t threads;
} activity;

static uint64_t read_number(const char *task, const char *file, const char *key)
{
    char path[300], line[256];
    snprintf(path, sizeof path, "/proc/self/task/%s/%s", task, file);
    FILE *stream = fopen(path, "r");
    uint64_t number = 0;
    while (stream && fgets(line, sizeof line, stream)) {
        if (strncmp(line, key, strlen(key)) == 0) {
            number = strtoull(line + strlen(key), NULL, 10);
            break;
        }
    }
    if (stream) fclose(stream);
    return number;
}

// Is it one of the library's threads? They are named so.
static bool is_ours(const char *task)
{
    char path[300], name[32] = "";
    snprintf(path, sizeof path, "/proc/self/task/%s/comm", task);
    FILE *stream = fopen(path, "r");
    bool ours = stream && fgets(name, sizeof name, stream) && strncmp(name, "fm-", 3) == 0;
    if (stream) fclose(stream);
    return ours;
}

static activity look_at_other_threads(void)
{
    activity seen = {0};
    DIR *tasks = opendir("/proc/self/task");
    assert_non_null(tasks);
    for (struct dirent *task = readdir(tasks); task; task = readdir(tasks)) {
        if (!isdigit((unsigned char)task->d_name[0]) || strtol(task->d_name, NULL, 10) == (long)gettid()) continue;
        if (!is_ours(task->d_name)) continue; // drivers may have threads that never rest
        seen.switches += read_number(task->d_name, "status", "voluntary_ctxt_switches:");
        seen.running_ns += read_number(task->d_name, "schedstat", "");
        seen.threads++;
    }
    closedir(tasks);
    return seen;
}

static void nap(long ns)
{
    nanosleep(&(struct timespec){0, ns}, NULL);
}

// The keeper lingers for a few milliseconds after the last work; a driver's threads may too. Until nothing has moved for long.
static void settle(void)
{
    uint32_t quiet = 0;
    for (uint32_t i = 0; i < 2000 && quiet < 20; i++) {
        activity before = look_at_other_threads();
        nap(5000000);
        quiet = look_at_other_threads().switches == before.switches ? quiet + 1 : 0;
    }
    assert_int_equal(quiet, 20);
}

static uint64_t cpu_ns(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return ((uint64_t)usage.ru_utime.tv_sec + (uint64_t)usage.ru_stime.tv_sec) * 1000000000 +
           ((uint64_t)usage.ru_utime.tv_usec + (uint64_t)usage.ru_stime.tv_usec) * 1000;
}

// Eight streams that have worked and now rest for 250 ms: nobody wakes, nobody runs.
static void port_learned_10_eight_idle_streams_cost_nothing_for_250_ms(void **state)
{
    ct_fixture *f = *state;
    fm_kernel step = ct_kernel_step(f);
    for (uint32_t i = 0; i < STREAMS; i++) {
        fm_stream stream;
        CT_OK(fm_stream_create(f->device, NULL, &stream));
        fm_buffer buffer = ct_buffer(f, 256);
        fm_commands *commands = ct_begin(f);
        CT_OK(ct_record_set(commands, step, buffer, 64, i));
        CT_OK(fm_point_wait(f->device, ct_commit(&commands, stream), CT_TIMEOUT_NS));
    }
    settle();
    const uint64_t wakeups = ct_stats(f).keeper_wakeups;
    const activity before = look_at_other_threads();
    const uint64_t cpu_before = cpu_ns();
    nap(250000000);
    const uint64_t cpu = cpu_ns() - cpu_before;
    const activity after = look_at_other_threads();
    print_message("250 ms: %llu us of CPU time with the measurement's own, %llu us in %u other threads\n",
                  (unsigned long long)cpu / 1000, (unsigned long long)(after.running_ns - before.running_ns) / 1000,
                  after.threads);
    assert_int_equal(ct_stats(f).keeper_wakeups, wakeups);
    assert_true(before.threads >= 1 && after.threads == before.threads);
    assert_int_equal(after.switches, before.switches);
    assert_int_equal(after.running_ns, before.running_ns);
}

int ports_group_retirement(void)
{
    const struct CMUnitTest tests[] = {
        CT_TEST(port_retire_5_walk_of_five_launches_frees_the_first_at_the_readback_of_the_second),
        CT_TEST(port_retire_6_10000_commits_at_a_limit_are_bounded_without_a_full_drain),
        CT_TEST(port_retire_6_10000_commits_without_a_wait_are_bounded_by_default),
        CT_TEST(port_learned_10_eight_idle_streams_cost_nothing_for_250_ms),
    };
    return cmocka_run_group_tests_name("ports: Quadrants #538", tests, NULL, NULL);
}

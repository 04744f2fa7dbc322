// Settings in force: what a field of 0 or 1 means beside a GPU and on a device that computes on this machine's processors.
#include "device/settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define MIB (UINT64_C(1) << 20)

static const fm_device_info given = {
    .batches_in_flight = 3,
    .lists_in_flight = 7,
    .failures_kept = 9,
    .memory_cache_bytes = 5 * MIB,
    .block_size_bytes = 2 * MIB,
    .commit_timeout_ns = 11,
};
static const fmi_backend_caps gpu = {.memory_bytes = 400 * MIB, .queue_count = 3};
static const fmi_backend_caps cpu = {.memory_bytes = 400 * MIB, .queue_count = 1, .on_cpu = true};

static void settings_that_were_given_are_in_force(void **state)
{
    (void)state;
    fmi_settings s = fmi_settings_resolve(&given, &gpu, 8);
    assert_int_equal(s.engine.depth, 3);
    assert_int_equal(s.engine.queue_count, 3);
    assert_int_equal(s.lists_in_flight, 7);
    assert_int_equal(s.commit_timeout_ns, 11);
    assert_int_equal(s.retirement.failures_kept, 9);
    assert_int_equal(s.pool.cache_bytes, 5 * MIB);
    assert_int_equal(s.pool.block_size_bytes, 2 * MIB);
    fm_device_info more = given;
    more.memory_limit_bytes = 40 * MIB;
    more.in_flight_bytes = 3 * MIB;
    more.spin_ns = 2;
    more.gather_ns = 4;
    more.compile_threads = 13;
    s = fmi_settings_resolve(&more, &cpu, 8);
    assert_int_equal(s.pool.limit_bytes, 40 * MIB);
    assert_int_equal(s.retirement.most_bytes, 3 * MIB);
    assert_int_equal(s.retirement.spin_ns, 2);
    assert_int_equal(s.engine.gather_ns, 4);
    assert_int_equal(s.compile_threads, 13);
}

static void settings_left_out_are_the_devices(void **state)
{
    (void)state;
    fmi_settings s = fmi_settings_resolve(&given, &gpu, 2);
    assert_int_equal(s.pool.limit_bytes, 400 * MIB);
    assert_int_equal(s.retirement.most_bytes, 100 * MIB);
    assert_int_equal(s.retirement.spin_ns, 2000000);
    assert_int_equal(s.engine.gather_ns, 12000);
    assert_false(s.engine.times_rarely);
    assert_int_equal(s.compile_threads, 2);
    s = fmi_settings_resolve(&given, &cpu, 64);
    assert_int_equal(s.retirement.spin_ns, 0);
    assert_int_equal(s.engine.gather_ns, 0);
    assert_true(s.engine.times_rarely);
    assert_int_equal(s.compile_threads, 4);
}

static void settings_of_one_are_none(void **state)
{
    (void)state;
    fm_device_info none = given;
    none.spin_ns = none.gather_ns = 1;
    fmi_settings s = fmi_settings_resolve(&none, &gpu, 2);
    assert_int_equal(s.retirement.spin_ns, 0);
    assert_int_equal(s.engine.gather_ns, 0);
}

static void settings_say_who_waits_and_who_keeps(void **state)
{
    (void)state;
    fmi_backend_caps caps = cpu;
    assert_true(fmi_settings_resolve(&given, &caps, 2).retirement.waits_directly);
    assert_true(fmi_settings_resolve(&given, &caps, 2).retirement.has_keeper);
    fm_device_info spins = given;
    spins.spin_ns = 1000;
    assert_false(fmi_settings_resolve(&spins, &caps, 2).retirement.waits_directly); // one polls for all
    caps.queue_count = 2;
    assert_false(fmi_settings_resolve(&given, &caps, 2).retirement.waits_directly);
    assert_false(fmi_settings_resolve(&given, &gpu, 2).retirement.waits_directly);
    caps.manual = true;
    assert_false(fmi_settings_resolve(&given, &caps, 2).retirement.has_keeper);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings_that_were_given_are_in_force),
        cmocka_unit_test(settings_left_out_are_the_devices),
        cmocka_unit_test(settings_of_one_are_none),
        cmocka_unit_test(settings_say_who_waits_and_who_keeps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

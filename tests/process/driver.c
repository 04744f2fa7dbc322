// What opening a device loads, and when; and a process that has no thread-specific keys left.
// FERMATA_TEST_DEVICE names the device of the tests that are for every device. Each test is in a child, which starts with nothing loaded.
#include "process.h"

#include <unistd.h>

static int open_host(void)
{
    static const char *const names[] = {"host", "host:7", "hos"};
    fm_device *device = NULL;
    if (fm_device_open(names[0], &(fm_device_info){.log = pt_log_nothing}, &device) != FM_OK) return 1;
    if (fm_device_close(&device, PT_TIMEOUT_NS) != FM_OK) return 2;
    if (fm_device_open(names[1], NULL, &device) != FM_ERROR_NO_DEVICE) return 3;
    if (!strstr(fm_last_error(), "there are: host (")) return 4;
    return pt_mappings("libvulkan") == 0 && pt_mappings("libLLVM") == 0 ? 0 : 5;
}

static void driver_is_not_loaded_for_a_host_name(void **state)
{
    (void)state;
    assert_int_equal(pt_in_child(open_host), 0);
}

static int close_all(void)
{
    fm_device *device = NULL, *other = NULL;
    uint32_t count = 0;
    if (fm_device_list(NULL, &count) != FM_OK) return 1;
    if (fm_device_open("vulkan", NULL, &device) != FM_OK || pt_mappings("libvulkan.so") == 0) return 2;
    if (fm_device_open("vulkan", NULL, &other) != FM_OK) return 3;
    if (fm_device_list(NULL, &count) != FM_OK) return 4;
    if (fm_device_close(&device, PT_TIMEOUT_NS) != FM_OK || fm_device_close(&other, PT_TIMEOUT_NS) != FM_OK) return 5;
    for (int i = 0; i < 20; i++) { // a driver that is loaded anew each time may not be found in the end
        if (pt_mappings("libvulkan.so") == 0) return 6;
        if (fm_device_open("vulkan", NULL, &device) != FM_OK) return 7;
        if (fm_device_close(&device, PT_TIMEOUT_NS) != FM_OK) return 8;
    }
    return 0;
}

static void driver_that_was_found_stays_loaded(void **state)
{
    (void)state;
    assert_int_equal(pt_in_child(close_all), 0);
}

// The loader's names of the list of drivers, newer and older.
static void set_drivers(const char *value)
{
    if (value) {
        setenv("VK_DRIVER_FILES", value, 1);
        setenv("VK_ICD_FILENAMES", value, 1);
    } else {
        unsetenv("VK_DRIVER_FILES");
        unsetenv("VK_ICD_FILENAMES");
    }
}

static int find_behind(const char *drivers)
{
    char *own = getenv("VK_DRIVER_FILES") ? strdup(getenv("VK_DRIVER_FILES")) : NULL;
    fm_device *device = NULL;
    uint32_t without = 0, with = 0;
    set_drivers(drivers);
    if (fm_device_list(NULL, &without) != FM_OK) return 1;
    if (fm_device_open("vulkan", NULL, &device) != FM_ERROR_NO_DEVICE) return 2;
    if (!strstr(fm_last_error(), "no Vulkan driver was found")) return 3;
    if (fm_device_open("auto", &(fm_device_info){.log = pt_log_nothing}, &device) != FM_OK) return 4;
    set_drivers(own);
    if (fm_device_list(NULL, &with) != FM_OK || with <= without) return 5;
    fm_device *late = NULL;
    if (fm_device_open("vulkan", NULL, &late) != FM_OK) return 6;
    return fm_device_close(&late, PT_TIMEOUT_NS) == FM_OK && fm_device_close(&device, PT_TIMEOUT_NS) == FM_OK ? 0 : 7;
}

static int find_behind_none(void)
{
    return find_behind("/nonexistent.json");
}

#define ABSENT "/usr/share/vulkan/icd.d/radeon_icd.x86_64.json"

static int find_behind_absent(void)
{
    return find_behind(ABSENT);
}

static int is_card_there(void)
{
    fm_device *device = NULL;
    set_drivers(ABSENT);
    return fm_device_open("vulkan", NULL, &device) == FM_OK ? 0 : 1;
}

static void driver_that_comes_late_is_found(void **state)
{
    (void)state;
    assert_int_equal(pt_in_child(find_behind_none), 0);
}

// Its instance has no devices, and must not be kept for those who come when there are some.
static void driver_of_an_absent_card_hides_no_other(void **state)
{
    (void)state;
    if (access(ABSENT, R_OK) != 0 || pt_in_child(is_card_there) == 0) skip(); // no such driver here, or its card
    assert_int_equal(pt_in_child(find_behind_absent), 0);
}

// A kernel either runs without a key, or is refused by a sentence, and runs once there are keys again.
static int run_without_keys(void)
{
    static pthread_key_t keys[PT_MOST_KEYS];
    fm_device *device = NULL;
    fm_stream stream;
    fm_buffer buffer;
    fm_kernel kernel;
    if (!pt_open(&device) || fm_stream_create(device, NULL, &stream) != FM_OK ||
        fm_buffer_create(device, &(fm_buffer_info){.size_bytes = 256}, &buffer) != FM_OK) {
        return 1;
    }
    uint32_t count = pt_take_keys(keys);
    if (count == PT_MOST_KEYS) return 2;
    fm_status status = fm_kernel_create(device, &pt_kernel, &kernel);
    if (status != FM_OK) {
        if (status != FM_ERROR_OUT_OF_HOST_MEMORY || !strstr(fm_last_error(), "keys")) return 3;
        pt_give_keys(keys + count - 1, 1); // one is not enough, and must not be taken for all
        if (fm_kernel_create(device, &pt_kernel, &kernel) != FM_ERROR_OUT_OF_HOST_MEMORY) return 4;
        pt_give_keys(keys, count - 1);
        count = 0;
        if (fm_kernel_create(device, &pt_kernel, &kernel) != FM_OK) return 5;
    }
    if (!pt_run(device, stream, kernel, buffer, NULL)) return 6;
    pt_give_keys(keys, count);
    return fm_device_close(&device, PT_TIMEOUT_NS) == FM_OK ? 0 : 7;
}

static void kernel_in_a_process_without_keys_runs_or_says_why(void **state)
{
    (void)state;
    assert_int_equal(pt_in_child(run_without_keys), 0);
}

static int is_vulkan_there(void)
{
    fm_device *device = NULL;
    return fm_device_open("vulkan", NULL, &device) == FM_OK && fm_device_close(&device, PT_TIMEOUT_NS) == FM_OK ? 0 : 1;
}

static int is_device_there(void)
{
    return pt_device_is_there() ? 0 : 1;
}

int main(void)
{
    static const struct CMUnitTest everywhere[] = {
        cmocka_unit_test(kernel_in_a_process_without_keys_runs_or_says_why),
        cmocka_unit_test(driver_is_not_loaded_for_a_host_name),
    };
    static const struct CMUnitTest with_vulkan[] = {
        cmocka_unit_test(driver_that_was_found_stays_loaded),
        cmocka_unit_test(driver_that_comes_late_is_found),
        cmocka_unit_test(driver_of_an_absent_card_hides_no_other),
    };
    if (pt_in_child(is_device_there) != 0) return PT_SKIPPED;
    int failed = cmocka_run_group_tests(everywhere, NULL, NULL);
    if (pt_in_child(is_vulkan_there) == 0) failed += cmocka_run_group_tests(with_vulkan, NULL, NULL);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

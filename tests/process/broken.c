// A machine whose Vulkan is broken (broken_loader.c, found by LD_LIBRARY_PATH): it is said where Vulkan is asked for, and is in nobody
// else's way.
#include "process.h"

#include <dlfcn.h>

// Counts what the log is told about Vulkan.
static void count_warnings(void *user, const char *message)
{
    uint32_t *count = user;
    *count += strstr(message, "'vulkan'") && strstr(message, "VK_ERROR_UNKNOWN");
}

static void broken_driver_is_told_to_who_asks_for_vulkan(void **state)
{
    (void)state;
    fm_device *device = NULL;
    uint32_t count = 0;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(fm_device_open("vulkan", NULL, &device), FM_ERROR_BACKEND);
        assert_non_null(strstr(fm_last_error(), "VK_ERROR_UNKNOWN"));
        assert_int_equal(fm_device_list(NULL, &count), FM_ERROR_BACKEND);
    }
    assert_int_equal(pt_mappings("libvulkan"), 0); // not kept
}

static void broken_driver_leaves_host_and_auto_alone(void **state)
{
    (void)state;
    static const char *const names[] = {"host", "auto"};
    for (uint32_t i = 0; i < 2; i++) {
        fm_device *device = NULL;
        fm_device_properties properties;
        uint32_t warnings = 0;
        const fm_device_info info = {.log = count_warnings, .log_user = &warnings};
        assert_int_equal(fm_device_open(names[i], &info, &device), FM_OK);
        assert_int_equal(fm_device_get_properties(device, &properties), FM_OK);
        assert_int_equal(properties.kind, FM_DEVICE_HOST);
        assert_int_equal(fm_device_close(&device, PT_TIMEOUT_NS), FM_OK);
        assert_int_equal(warnings, i); // "auto" says why it is the host
    }
}

int main(void)
{
    void *loader = dlopen("libvulkan.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!loader || dlsym(loader, "vkEnumeratePhysicalDevices")) {
        fprintf(stderr, "process-broken: LD_LIBRARY_PATH must name the folder of the broken loader\n");
        return 2;
    }
    dlclose(loader);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(broken_driver_is_told_to_who_asks_for_vulkan),
        cmocka_unit_test(broken_driver_leaves_host_and_auto_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

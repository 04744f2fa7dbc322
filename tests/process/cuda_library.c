// NVIDIA's library is not there, or too old: a CUDA device is no device, one sentence says why, and the others are there as ever.
// The argument is what that sentence must say. Run with an old library first in LD_LIBRARY_PATH, or with none.
#include "process.h"

#include <dlfcn.h>

static const char *words;

static void cuda_that_is_not_there_is_told_and_in_nobodys_way(void **state)
{
    (void)state;
    fm_device *device = NULL;
    uint32_t count = 0;
    static const char *const names[] = {"cuda", "cuda:1", "cuda:H200"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_int_equal(fm_device_open(names[i], NULL, &device), FM_ERROR_NO_DEVICE);
        if (!strstr(fm_last_error(), words)) fail_msg("'%s' does not say '%s'", fm_last_error(), words);
        assert_non_null(strstr(fm_last_error(), "there are: host ("));
    }
    assert_int_equal(fm_device_list(NULL, &count), FM_OK);
    assert_true(count >= 1);
    fm_device_entry entries[16];
    count = 16;
    assert_int_equal(fm_device_list(entries, &count), FM_OK);
    for (uint32_t i = 0; i < count; i++) assert_null(strstr(entries[i].name, "cuda"));
    assert_int_equal(fm_device_open("host", NULL, &device), FM_OK);
    assert_int_equal(fm_device_close(&device, PT_TIMEOUT_NS), FM_OK);
}

int main(int argc, char **argv)
{
    words = argc > 1 ? argv[1] : "";
    void *library = dlopen("libcuda.so.1", RTLD_LAZY | RTLD_LOCAL);
    if (library && dlsym(library, "cuDeviceGetCount")) {
        printf("skipped: NVIDIA's driver is installed\n");
        return PT_SKIPPED;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cuda_that_is_not_there_is_told_and_in_nobodys_way),
    };
    return cmocka_run_group_tests_name("cuda_library", tests, NULL, NULL);
}

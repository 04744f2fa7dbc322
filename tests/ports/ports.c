// Ports of the field's own tests: what the five reports (candle #3595, MLX #3462, A. Yates, Quadrants #538, MLX #3434) ran or describe,
// with their thread and iteration counts, on every backend. FERMATA_TEST_DEVICE names the device ("host" if absent).
//   ports [--test PATTERN] [GROUP …]
// Exits with 0 if all passed, 1 if any failed, 2 for wrong arguments, and 77 if there is no such device.
#include "ports.h"

enum { EXIT_SKIPPED = 77, EXIT_USAGE = 2 };

static const struct {
    const char *name;
    int (*run)(void);
} groups[] = {
#define ENTRY(name) {#name, ports_group_##name},
    PORTS_GROUPS(ENTRY)
#undef ENTRY
};

enum { GROUP_COUNT = sizeof groups / sizeof groups[0] };

static int find_group(const char *name)
{
    for (int i = 0; i < GROUP_COUNT; i++) {
        if (strcmp(groups[i].name, name) == 0) {
            return i;
        }
    }
    return -1;
}

static bool device_is_missing(void)
{
    fm_device *device = NULL;
    fm_status status = fm_device_open(ct_device_name(), &(fm_device_info){.log = ct_log_nothing}, &device);
    if (status == FM_ERROR_NO_DEVICE) {
        printf("ports: skipped, there is no device \"%s\": %s\n", ct_device_name(), fm_last_error());
        return true;
    }
    if (status == FM_OK) {
        fm_device_close(&device, CT_TIMEOUT_NS);
    }
    return false;
}

int main(int argc, char **argv)
{
    bool chosen[GROUP_COUNT] = {false};
    bool any = false;
    for (int i = 1; i < argc; i++) {
        int group = find_group(argv[i]);
        if (strcmp(argv[i], "--test") == 0 && i + 1 < argc) {
            cmocka_set_test_filter(argv[++i]);
        } else if (group >= 0) {
            chosen[group] = any = true;
        } else {
            fprintf(stderr, "ports: no such group or option: %s\nusage: ports [--test PATTERN] [GROUP …]\n", argv[i]);
            return EXIT_USAGE;
        }
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (device_is_missing()) {
        return EXIT_SKIPPED;
    }
    int failed = 0;
    for (int i = 0; i < GROUP_COUNT; i++) {
        failed += !any || chosen[i] ? groups[i].run() : 0;
    }
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

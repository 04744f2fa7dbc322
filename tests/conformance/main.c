// The conformance suite: one program for every backend. FERMATA_TEST_DEVICE names the device ("host" if absent).
//   conformance [--repeat N] [--test PATTERN] [GROUP …]
// Runs all groups, or the named ones, N times; PATTERN (with * and ?) picks tests by name. Exits with 0 if all passed,
// 1 if any failed, 2 for wrong arguments, and 77 if there is no such device.
#include "groups.h"
#include "support.h"

#include <signal.h>
#include <unistd.h>

enum { EXIT_SKIPPED = 77, EXIT_USAGE = 2 };

typedef struct group {
    const char *name;
    int (*run)(void);
} group;

static const group groups[] = {
#define GROUP_ENTRY(name) {#name, ct_group_##name},
    CT_GROUPS(GROUP_ENTRY)
#undef GROUP_ENTRY
};

enum { GROUP_COUNT = sizeof groups / sizeof groups[0] };

// Ends a test that hangs, so that the run ends too.
static void on_alarm(int signal_number)
{
    (void)signal_number;
    static const char sentence[] = "conformance: the running test has taken too long and is ended\n";
    ssize_t written = write(STDERR_FILENO, sentence, sizeof sentence - 1);
    (void)written;
    _exit(EXIT_FAILURE);
}

static int usage(const char *why, const char *what)
{
    fprintf(stderr, "conformance: %s%s\nusage: conformance [--repeat N] [--test PATTERN] [GROUP …]\ngroups:", why,
            what);
    for (int i = 0; i < GROUP_COUNT; i++) fprintf(stderr, " %s", groups[i].name);
    fputc('\n', stderr);
    return EXIT_USAGE;
}

static bool mark_group(const char *name, bool *chosen)
{
    for (int i = 0; i < GROUP_COUNT; i++) {
        if (strcmp(groups[i].name, name) == 0) return chosen[i] = true;
    }
    return false;
}

// Says why if the device is not there; every other failure to open is left to the tests, which then fail. What is stored stays open to the
// end: it keeps the driver loaded, which takes longer to load than most tests take.
static bool device_is_missing(fm_device **out)
{
    fm_status status = fm_device_open(ct_device_name(), &(fm_device_info){.log = ct_log_nothing}, out);
    if (status == FM_ERROR_NO_DEVICE) {
        printf("conformance: skipped, there is no device \"%s\": %s\n", ct_device_name(), fm_last_error());
        return true;
    }
    return false;
}

int main(int argc, char **argv)
{
    bool chosen[GROUP_COUNT] = {false};
    bool any_chosen = false;
    long repeat = 1;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--repeat") == 0 && i + 1 < argc) {
            repeat = strtol(argv[++i], NULL, 10);
            if (repeat < 1) return usage("a number is wanted, not ", argv[i]);
        } else if (strcmp(argv[i], "--test") == 0 && i + 1 < argc) {
            cmocka_set_test_filter(argv[++i]);
        } else if (mark_group(argv[i], chosen)) {
            any_chosen = true;
        } else {
            return usage("no such group or option: ", argv[i]);
        }
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    setenv("FERMATA_CACHE_DIR", "", 0); // what a test compiles must not depend on earlier runs
    signal(SIGALRM, on_alarm);
    fm_device *kept = NULL;
    if (device_is_missing(&kept)) return EXIT_SKIPPED;
    int failed = 0;
    for (long round = 0; round < repeat; round++) {
        for (int i = 0; i < GROUP_COUNT; i++) {
            if (!any_chosen || chosen[i]) failed += groups[i].run();
        }
    }
    if (fm_device_close(&kept, CT_TIMEOUT_NS) != FM_OK) failed++;
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

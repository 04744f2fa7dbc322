// The linker sends the library's question for its processors through here (--wrap). FERMATA_TEST_PROCESSORS is how many it is told: with more
// than there are, threads wait without a pause, follow a poller and keep lists back as they do beside a GPU, on whatever runs the tests.
#include "support.h"

#include <sched.h>

int __real_sched_getaffinity(pid_t process, size_t size, cpu_set_t *set);
int __wrap_sched_getaffinity(pid_t process, size_t size, cpu_set_t *set);
int __wrap_sched_getaffinity(pid_t process, size_t size, cpu_set_t *set)
{
    const char *text = getenv("FERMATA_TEST_PROCESSORS");
    if (!text) return __real_sched_getaffinity(process, size, set);
    CPU_ZERO(set);
    for (long i = strtol(text, NULL, 10) - 1; i >= 0; i--) CPU_SET((size_t)i, set);
    return 0;
}

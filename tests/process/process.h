// What the process tests share: a device by name, one small kernel with barrier(), a child that is looked after, and what the system says
// about this process. These tests change their process, so each program has its own.
#ifndef FERMATA_TESTS_PROCESS_PROCESS_H
#define FERMATA_TESTS_PROCESS_PROCESS_H

#include <fermata/fermata.h>

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

// How long a wait may take before the test fails.
#define PT_TIMEOUT_NS UINT64_C(30000000000)

extern const fm_kernel_info pt_kernel; // y (u32): y[i] becomes the work-item's number in its group of 64, plus 5
extern _Atomic(bool) pt_stop;          // tells a test's own threads to end

// FERMATA_TEST_DEVICE, or "host".
const char *pt_device_name(void);
void pt_log_nothing(void *user, const char *message);
bool pt_open(fm_device **out);

// Runs one workgroup of a kernel like pt_kernel and waits.
bool pt_run_any(fm_device *device, fm_stream stream, fm_kernel kernel, fm_buffer buffer);
// The same with pt_kernel, and looks at the result; `out_point` may be NULL.
bool pt_run(fm_device *device, fm_stream stream, fm_kernel kernel, fm_buffer buffer, fm_point *out_point);

// Forks; the child ends with what `body` answers. Returns that, or minus the signal that ended it: SIGALRM after a minute.
int pt_in_child(int (*body)(void));

// Mappings of this process whose file name has `part` in it.
uint32_t pt_mappings(const char *part);

// Takes thread-specific keys until the process has none left, and returns how many; `keys` has room for PT_MOST_KEYS.
enum { PT_MOST_KEYS = 2048 };
uint32_t pt_take_keys(pthread_key_t *keys);
void pt_give_keys(const pthread_key_t *keys, uint32_t count);

// Says why if it is not; every other failure to open is left to the tests.
bool pt_device_is_there(void);

enum { PT_SKIPPED = 77 };

#endif

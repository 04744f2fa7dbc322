// The conformance suite's shared ground: the fixture that each test gets, checks that print fm_last_error, and the
// short forms for what nearly every test does (record, commit, wait, read back, compare).
// Checks end the test, so they are for its main thread alone; worker threads use threads.h.
// Every wait is finite, and nothing here depends on how long something takes.
#ifndef FERMATA_TESTS_CONFORMANCE_SUPPORT_H
#define FERMATA_TESTS_CONFORMANCE_SUPPORT_H

#include <fermata/fermata.h>

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

// How long a wait may take before the test fails: for what hangs, so it is far beyond what a machine with a dozen other busy programs takes.
#define CT_TIMEOUT_NS UINT64_C(120000000000)

// What destinations hold before anything is read into them.
#define CT_POISON 0xA5

// A host function's door: whoever dispatches the fixture's gate stays in flight until it opens.
typedef struct ct_gate {
    pthread_mutex_t lock;   // guards the rest
    pthread_cond_t changed; // signalled by each change
    bool open;
    uint32_t entered; // calls that have come to the door
} ct_gate;

enum { CT_MAX_BEGUN = 64 };

// What a test starts with. Each test has its own, so nothing leaks from one into the next.
typedef struct ct_fixture {
    const char *device_name; // FERMATA_TEST_DEVICE, or "host"
    fm_device *device;
    fm_device *other; // a second open device, NULL until ct_other_device
    fm_device_properties properties;
    fm_stream stream;
    fm_kernel gate_kernel;            // null until the first ct_record_gate
    fm_commands *begun[CT_MAX_BEGUN]; // the last lists of ct_begin, in turn; most have been committed since
    uint32_t begun_count;
    ct_gate gate;
} ct_fixture;

// A test of the fixture's kind, for the tables at the end of each group's file.
#define CT_TEST(function) cmocka_unit_test_setup_teardown(function, ct_setup, ct_teardown)

int ct_setup(void **state);
int ct_teardown(void **state);

// Name of the device under test.
const char *ct_device_name(void);

// `count` times the environment's FERMATA_TEST_SCALE (1 if absent), at least 1.
uint32_t ct_scaled(uint32_t count);

// A log callback that says nothing.
void ct_log_nothing(void *user, const char *message);

// The second device, opened at the first call.
fm_device *ct_other_device(ct_fixture *fixture);

// --- checks ---------------------------------------------------------------------------------------------------------

#define CT_STATUS(call, expected) ct_check((call), (expected), #call, __FILE__, __LINE__)
#define CT_OK(call) CT_STATUS(call, FM_OK)
#define CT_EITHER(call, first, second) ct_check_either((call), (first), (second), #call, __FILE__, __LINE__)
#define CT_REFUSED(call) ct_check_refused((call), #call, __FILE__, __LINE__)

// Fails the test unless `actual` is `expected`; an error must also have left a sentence.
void ct_check(fm_status actual, fm_status expected, const char *call, const char *file, int line);
// Fails the test unless `actual` is one of the two, for what the contract leaves open.
void ct_check_either(fm_status actual, fm_status first, fm_status second, const char *call, const char *file, int line);
// Fails the test unless `actual` is an error, for what the contract refuses without naming the code.
void ct_check_refused(fm_status actual, const char *call, const char *file, int line);

// --- random numbers -------------------------------------------------------------------------------------------------

typedef struct ct_random {
    uint64_t state;
} ct_random;

uint64_t ct_random_next(ct_random *random);
// A number below `limit`, which is at least 1.
uint32_t ct_random_below(ct_random *random, uint32_t limit);

// --- buffers --------------------------------------------------------------------------------------------------------

// A buffer that reads as zero.
fm_buffer ct_buffer(ct_fixture *fixture, uint64_t size_bytes);
// A buffer of `count` words copied from `words`.
fm_buffer ct_buffer_of(ct_fixture *fixture, const void *bytes, uint64_t size_bytes);
// Poisons `destination`, then reads the range into it.
void ct_read(ct_fixture *fixture, fm_buffer buffer, uint64_t offset_bytes, uint64_t size_bytes, void *destination);
// Fails the test unless the first `count` words of the buffer all equal `value`.
void ct_expect_words(ct_fixture *fixture, fm_buffer buffer, uint32_t count, uint32_t value);
// Fails the test unless all bytes of the range equal `value`.
void ct_expect_bytes(ct_fixture *fixture, fm_buffer buffer, uint64_t offset_bytes, uint64_t size_bytes, uint8_t value);
// Fails the test unless the whole buffer holds exactly these bytes.
void ct_expect_content(ct_fixture *fixture, fm_buffer buffer, const void *expected, uint64_t size_bytes);

// --- kernels --------------------------------------------------------------------------------------------------------

// A list of structs and its length, as two arguments.
#define CT_LIST(type, ...) (const type[]){__VA_ARGS__}, (uint32_t)(sizeof((const type[]){__VA_ARGS__}) / sizeof(type))
#define CT_PARAMS(...) CT_LIST(fm_kernel_param, __VA_ARGS__)
#define CT_CONSTANTS(...) CT_LIST(fm_kernel_constant, __VA_ARGS__)
#define CT_BINDINGS(...) CT_LIST(fm_binding, __VA_ARGS__)

// A portable kernel of group size 64.
fm_kernel ct_kernel(ct_fixture *fixture, const char *body, const fm_kernel_param *params, uint32_t param_count,
                    const fm_kernel_constant *constants, uint32_t constant_count);

// The constants of ct_kernel_set and ct_kernel_step.
typedef struct ct_set_constants {
    uint32_t count;
    uint32_t value;
} ct_set_constants;

// x (WRITE, u32): the first `count` elements become `value`.
fm_kernel ct_kernel_set(ct_fixture *fixture);
// x (READ_WRITE, u32): the first `count` elements become 2 x + `value`.
fm_kernel ct_kernel_step(ct_fixture *fixture);
// x (READ, u32), y (WRITE, u32): the first `count` elements become x + `value`.
fm_kernel ct_kernel_add(ct_fixture *fixture);
// x (READ_WRITE, u32): each work-item of 64 in a workgroup adds 1 to x[0]. No constants.
fm_kernel ct_kernel_count(ct_fixture *fixture);

// A one-dimensional dispatch.
fm_dispatch_info ct_dispatch_info(fm_kernel kernel, uint32_t groups, const fm_binding *bindings, uint32_t binding_count,
                                  const void *constants, uint32_t constants_size_bytes);
// Records set or step over the first `count` elements of a buffer. Any thread: no check.
fm_status ct_record_set(fm_commands *commands, fm_kernel kernel, fm_buffer buffer, uint32_t count, uint32_t value);
// Records add from one buffer to another. Any thread: no check.
fm_status ct_record_add(fm_commands *commands, fm_kernel kernel, fm_buffer source, fm_buffer target, uint32_t count,
                        uint32_t value);

// Creates a kernel in a language that the device does not run and expects FM_ERROR_UNSUPPORTED.
void ct_expect_unsupported(ct_fixture *fixture, const fm_kernel_info *info);

// --- lists ----------------------------------------------------------------------------------------------------------

fm_commands *ct_begin(ct_fixture *fixture);
// Commits to `stream` and returns the point.
fm_point ct_commit(fm_commands **commands, fm_stream stream);
// Commits to the fixture's stream and waits until it is complete.
void ct_finish(ct_fixture *fixture, fm_commands *commands);
// Waits until no list is in flight and everything that lists held has been let go.
void ct_wait_idle(ct_fixture *fixture);
fm_device_stats ct_stats(ct_fixture *fixture);

// --- the gate -------------------------------------------------------------------------------------------------------

// True if a recorded gate is in flight exactly until ct_gate_open: where host functions run. Elsewhere it only takes
// long.
bool ct_gate_is_exact(const ct_fixture *fixture);
// Records a dispatch that reads and writes `buffer` (4 bytes or more), leaves it unchanged, and stays in flight.
void ct_record_gate(ct_fixture *fixture, fm_commands *commands, fm_buffer buffer);
// Commits a list that holds only a gate on `buffer`, and returns its point.
fm_point ct_commit_gate(ct_fixture *fixture, fm_stream stream, fm_buffer buffer);
// Lets through everything at the gate, now and later.
void ct_gate_open(ct_fixture *fixture);

#endif

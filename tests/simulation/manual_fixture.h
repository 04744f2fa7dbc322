// What tests on the manual device begin with: the device, two streams, and the short forms of recording, running and looking. A test that
// needs more embeds the fixture as its own struct's first field. Checks end the test: for its main thread alone.
#ifndef SIMULATION_MANUAL_FIXTURE_H
#define SIMULATION_MANUAL_FIXTURE_H

#include <fermata/testing.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MD_ALL = 1 << 20 }; // commands: more than any test commits
#define MD_MILLISECOND UINT64_C(1000000)
#define MD_SECOND UINT64_C(1000000000)
#define OK(call) md_check((call), FM_OK, #call, __FILE__, __LINE__)
#define STATUS(call, expected) md_check((call), (expected), #call, __FILE__, __LINE__)

typedef struct md_fixture {
    fm_device *device; // NULL once a test has closed it
    fm_stream a, b;
} md_fixture;

// Fails the test unless `actual` is `expected`, and prints the last error.
void md_check(fm_status actual, fm_status expected, const char *call, const char *file, int line);

// A zeroed struct of so many bytes, which begins with an md_fixture, with an open device.
void *md_new(size_t size_bytes, const fm_device_info *info);

// The device again, with other settings.
void md_reopen(md_fixture *f, const fm_device_info *info);

// A test's tear-down: all that was committed runs, nothing touched what nothing held, and the struct is freed.
int md_delete(void **state);

// Whatever is committed runs to its end: here, and from here on in every wait.
void md_run(md_fixture *f);

// Runs at most so many commands.
void md_step(md_fixture *f, uint32_t most);

// A buffer that reads as zero.
fm_buffer md_buffer(md_fixture *f, uint64_t size_bytes);
fm_buffer md_buffer_with(md_fixture *f, const fm_buffer_info *info);

// A kernel that is a host function; its parameters are 32-bit words that it reads and writes.
fm_kernel md_host_kernel(md_fixture *f, const char *name, uint32_t param_count, fm_host_function function, void *user);

fm_commands *md_begin(md_fixture *f, uint32_t flags);
fm_point md_commit(fm_commands *commands, fm_stream stream);

// Commits a list that fills the whole buffer.
fm_point md_commit_fill(md_fixture *f, fm_stream stream, fm_buffer buffer, uint32_t value);

fm_device_stats md_stats(md_fixture *f);

// Fails the test unless all words are `value`.
void md_expect_words(const uint32_t *words, uint32_t count, uint32_t value);

// Reads the buffer's first words and does the same. The device must run in waits.
void md_expect(md_fixture *f, fm_stream stream, fm_buffer buffer, uint32_t count, uint32_t value);

#endif

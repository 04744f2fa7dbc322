// The fixture of tests on the manual device. See manual_fixture.h.
#include "manual_fixture.h"

#include <stdio.h>

void md_check(fm_status actual, fm_status expected, const char *call, const char *file, int line)
{
    if (actual != expected) {
        print_error("%s:%d: %s answered %s, not %s: %s\n", file, line, call, fm_status_name(actual),
                    fm_status_name(expected), actual == FM_OK ? "" : fm_last_error());
        _fail(file, line);
    }
}

void md_reopen(md_fixture *f, const fm_device_info *info)
{
    if (f->device) OK(fm_device_close(&f->device, MD_SECOND));
    OK(fm_device_open("manual", info, &f->device));
    OK(fm_stream_create(f->device, &(fm_stream_info){.label = "a"}, &f->a));
    OK(fm_stream_create(f->device, &(fm_stream_info){.label = "b"}, &f->b));
}

void *md_new(size_t size_bytes, const fm_device_info *info)
{
    md_fixture *f = calloc(1, size_bytes);
    assert_non_null(f);
    md_reopen(f, info);
    return f;
}

int md_delete(void **state)
{
    md_fixture *f = *state;
    uint64_t violations = 0;
    if (f->device) {
        md_run(f);
        OK(fm_testing_violations(f->device, &violations));
        OK(fm_device_close(&f->device, MD_SECOND));
    }
    free(f);
    assert_int_equal(violations, 0);
    return 0;
}

void md_run(md_fixture *f)
{
    OK(fm_testing_step_in_waits(f->device, 1));
    md_step(f, MD_ALL);
}

void md_step(md_fixture *f, uint32_t most)
{
    OK(fm_testing_step(f->device, most, NULL));
}

fm_buffer md_buffer_with(md_fixture *f, const fm_buffer_info *info)
{
    fm_buffer buffer = {0};
    OK(fm_buffer_create(f->device, info, &buffer));
    return buffer;
}

fm_buffer md_buffer(md_fixture *f, uint64_t size_bytes)
{
    return md_buffer_with(f, &(fm_buffer_info){.size_bytes = size_bytes});
}

fm_kernel md_host_kernel(md_fixture *f, const char *name, uint32_t param_count, fm_host_function function, void *user)
{
    static const fm_kernel_param params[] = {{"x", FM_DTYPE_U32, FM_ACCESS_READ_WRITE},
                                             {"y", FM_DTYPE_U32, FM_ACCESS_READ_WRITE}};
    fm_kernel kernel = {0};
    fm_kernel_info info = {.name = name,
                           .language = FM_KERNEL_HOST_FUNCTION,
                           .params = params,
                           .param_count = param_count,
                           .host_function = function,
                           .user = user};
    OK(fm_kernel_create(f->device, &info, &kernel));
    return kernel;
}

fm_commands *md_begin(md_fixture *f, uint32_t flags)
{
    fm_commands *commands = NULL;
    OK(fm_commands_begin(f->device, &(fm_commands_info){.flags = flags, .label = "list"}, &commands));
    return commands;
}

fm_point md_commit(fm_commands *commands, fm_stream stream)
{
    fm_point point = {{0}, 0};
    OK(fm_commit(&commands, &(fm_commit_info){.stream = stream}, &point));
    return point;
}

fm_point md_commit_fill(md_fixture *f, fm_stream stream, fm_buffer buffer, uint32_t value)
{
    fm_commands *commands = md_begin(f, 0);
    OK(fm_fill(commands, buffer, 0, FM_WHOLE_SIZE, value));
    return md_commit(commands, stream);
}

fm_device_stats md_stats(md_fixture *f)
{
    fm_device_stats stats = {0};
    OK(fm_device_get_stats(f->device, &stats));
    return stats;
}

void md_expect_words(const uint32_t *words, uint32_t count, uint32_t value)
{
    for (uint32_t i = 0; i < count; i++) assert_int_equal(words[i], value);
}

void md_expect(md_fixture *f, fm_stream stream, fm_buffer buffer, uint32_t count, uint32_t value)
{
    uint32_t *words = malloc(count * sizeof *words);
    assert_non_null(words);
    OK(fm_buffer_read(f->device, stream, buffer, 0, count * sizeof *words, words, MD_SECOND));
    md_expect_words(words, count, value);
    free(words);
}

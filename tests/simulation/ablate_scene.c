// What the scenarios of the ablations share. See ablate.h. One thread; a set-up never fails, with or without the guard.
#include "ablate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void scene_must(fm_status status, const char *file, int line)
{
    if (status != FM_OK) {
        fprintf(stderr, "%s:%d: %s: %s\n", file, line, fm_status_name(status), fm_last_error());
        abort(); // a scenario's own set-up never fails, with or without the guard
    }
}

static fm_status run_twice(const fm_host_call *call)
{
    const float *x = call->bindings[0];
    float *y = call->bindings[1];
    for (int i = 0; i < COUNT; i++) {
        y[i] = 2.0f * x[i] + 1.0f;
    }
    return FM_OK;
}

fm_status scene_run_broken(const fm_host_call *call)
{
    (void)call;
    return FM_ERROR_KERNEL_FAILED;
}

fm_kernel scene_make_kernel(scene *b, fm_host_function function)
{
    static const fm_kernel_param params[] = {{"x", FM_DTYPE_F32, FM_ACCESS_READ}, {"y", FM_DTYPE_F32, FM_ACCESS_WRITE}};
    fm_kernel kernel;
    MUST(fm_kernel_create(b->device,
                          &(fm_kernel_info){.name = "twice",
                                            .language = FM_KERNEL_HOST_FUNCTION,
                                            .params = params,
                                            .param_count = 2,
                                            .host_function = function},
                          &kernel));
    return kernel;
}

fm_buffer scene_make_buffer(scene *b)
{
    fm_buffer buffer;
    MUST(fm_buffer_create(b->device, &(fm_buffer_info){.size_bytes = COUNT * sizeof(float)}, &buffer));
    return buffer;
}

void scene_set_up(scene *b, fm_ablation ablation, bool ablate, const fm_device_info *info)
{
    memset(b, 0, sizeof *b);
    MUST(fm_device_open("manual", info, &b->device));
    MUST(fm_testing_ablate(b->device, ablation, ablate));
    MUST(fm_stream_create(b->device, NULL, &b->stream));
    b->twice = scene_make_kernel(b, run_twice);
    b->x = scene_make_buffer(b);
    b->y = scene_make_buffer(b);
    for (int i = 0; i < COUNT; i++) {
        b->out[i] = -1.0f;
    }
}

// Lets everything finish, guard or not, and says whether no command touched what nothing held.
bool scene_tear_down(scene *b)
{
    uint64_t violations;
    MUST(fm_testing_step_in_waits(b->device, 1));
    MUST(fm_testing_step(b->device, ALL, NULL));
    MUST(fm_testing_violations(b->device, &violations));
    MUST(fm_device_close(&b->device, 1000000000));
    return violations == 0;
}

static uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

void scene_record_fill(scene *b, fm_commands *commands, float value)
{
    MUST(fm_fill(commands, b->x, 0, FM_WHOLE_SIZE, bits_of(value)));
}

fm_commands *scene_begin(scene *b)
{
    fm_commands *commands;
    MUST(fm_commands_begin(b->device, NULL, &commands));
    return commands;
}

void scene_record_twice(scene *b, fm_commands *commands, fm_kernel kernel)
{
    fm_binding bindings[] = {{.buffer = b->x}, {.buffer = b->y}};
    MUST(fm_dispatch(commands,
                     &(fm_dispatch_info){
                         .kernel = kernel, .group_count = {1, 1, 1}, .bindings = bindings, .binding_count = 2}));
}

fm_point scene_commit(scene *b, fm_commands *commands)
{
    fm_point point;
    MUST(fm_commit(&commands, &(fm_commit_info){.stream = b->stream}, &point));
    return point;
}

bool scene_all_are(const float *out, float expected)
{
    for (int i = 0; i < COUNT; i++) {
        if (out[i] != expected) {
            return false;
        }
    }
    return true;
}

// fill x, y = 2x + 1, read y: the list that the lifetime scenarios disturb.
fm_commands *scene_record_all(scene *b, float value)
{
    fm_commands *commands = scene_begin(b);
    scene_record_fill(b, commands, value);
    scene_record_twice(b, commands, b->twice);
    MUST(fm_read(commands, b->y, 0, sizeof b->out, b->out));
    return commands;
}

// x = 3 has run; y = 2x + 1 and the read of y are committed and have not.
fm_point scene_commit_twice_of_three(scene *b)
{
    fm_commands *commands = scene_begin(b);
    scene_record_fill(b, commands, 3.0f);
    fm_point filled = scene_commit(b, commands);
    MUST(fm_testing_step(b->device, ALL, NULL));
    MUST(fm_point_poll(b->device, filled));
    commands = scene_begin(b);
    scene_record_twice(b, commands, b->twice);
    MUST(fm_read(commands, b->y, 0, sizeof b->out, b->out));
    return scene_commit(b, commands);
}

bool scene_finish(scene *b, fm_point point, float expected)
{
    MUST(fm_testing_step(b->device, ALL, NULL));
    bool right = fm_point_poll(b->device, point) == FM_OK && scene_all_are(b->out, expected);
    return scene_tear_down(b) && right;
}

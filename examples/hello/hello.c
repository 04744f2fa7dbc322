// Fermata on one page: y = a x + y on the best device there is.
// One list uploads x and y, runs the kernel and reads y back; the program commits it and waits for that list alone.
#include <fermata/fermata.h>

#include <stdio.h>
#include <stdlib.h>

static void check(fm_status status) // every call answers one
{
    if (status != FM_OK) {
        fprintf(stderr, "hello: %s\n", fm_last_error());
        exit(EXIT_FAILURE);
    }
}

int main(void)
{
    float x[] = {1, 2, 3, 4}, y[] = {10, 20, 30, 40}, a = 2;
    fm_device *device;
    fm_stream stream;
    fm_buffer xs, ys;
    fm_kernel axpy;
    fm_commands *commands;
    fm_point done;
    const fm_kernel_info axpy_info = {
        .name = "axpy",
        .code = "uint i = global_id.x; if (i < 4u) y[i] = a * x[i] + y[i];",
        .params = (fm_kernel_param[]){{"x", FM_DTYPE_F32, FM_ACCESS_READ}, {"y", FM_DTYPE_F32, FM_ACCESS_READ_WRITE}},
        .param_count = 2,
        .constants = &(fm_kernel_constant){"a", FM_DTYPE_F32},
        .constant_count = 1,
    };
    check(fm_device_open("auto", NULL, &device));
    check(fm_stream_create(device, NULL, &stream));
    check(fm_buffer_create(device, &(fm_buffer_info){.size_bytes = sizeof x}, &xs));
    check(fm_buffer_create(device, &(fm_buffer_info){.size_bytes = sizeof y}, &ys));
    check(fm_kernel_create(device, &axpy_info, &axpy));

    fm_binding bindings[] = {{.buffer = xs}, {.buffer = ys}};
    fm_dispatch_info dispatch = {
        .kernel = axpy,
        .group_count = {4}, // work-items; 1 on the axes that are left out
        .flags = FM_DISPATCH_ITEMS,
        .bindings = bindings,
        .binding_count = 2,
        .constants = &a,
        .constants_size_bytes = sizeof a,
    };
    check(fm_commands_begin(device, NULL, &commands));
    check(fm_upload(commands, xs, 0, sizeof x, x));
    check(fm_upload(commands, ys, 0, sizeof y, y));
    check(fm_dispatch(commands, &dispatch));
    check(fm_read(commands, ys, 0, sizeof y, y));
    check(fm_commit(&commands, &(fm_commit_info){.stream = stream}, &done));

    check(fm_buffer_destroy(device, xs)); // at any moment: what a list uses lives until the list is done
    check(fm_buffer_destroy(device, ys));
    check(fm_point_wait(device, done, 10000000000));                                 // timeouts are in nanoseconds
    printf("%g %g %g %g\n", (double)y[0], (double)y[1], (double)y[2], (double)y[3]); // 12 24 36 48
    check(fm_device_close(&device, 10000000000)); // takes the kernel and the stream along
}

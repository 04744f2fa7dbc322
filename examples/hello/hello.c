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
    const uint64_t ten_seconds = 10000000000; // timeouts are in nanoseconds
    float x[64], y[64], a = 2.0f;
    for (int i = 0; i < 64; i++) {
        x[i] = (float)i;
        y[i] = 100.0f;
    }

    fm_device *device;
    fm_stream stream;
    fm_buffer xs, ys;
    check(fm_device_open("auto", NULL, &device));
    check(fm_stream_create(device, NULL, &stream));
    check(fm_buffer_create(device, &(fm_buffer_info){.size_bytes = sizeof x}, &xs));
    check(fm_buffer_create(device, &(fm_buffer_info){.size_bytes = sizeof y}, &ys));

    fm_kernel axpy;
    const fm_kernel_info axpy_info = {
        .name = "axpy",
        .code = "uint i = global_id.x; y[i] = a * x[i] + y[i];",
        .params = (fm_kernel_param[]){{"x", FM_DTYPE_F32, FM_ACCESS_READ}, {"y", FM_DTYPE_F32, FM_ACCESS_READ_WRITE}},
        .param_count = 2,
        .constants = (fm_kernel_constant[]){{"a", FM_DTYPE_F32}},
        .constant_count = 1,
    };
    check(fm_kernel_create(device, &axpy_info, &axpy));

    fm_commands *commands;
    fm_point done;
    const fm_dispatch_info dispatch = {
        .kernel = axpy,
        .group_count = {1, 1, 1}, // of 64 work-items
        .bindings = (fm_binding[]){{.buffer = xs}, {.buffer = ys}},
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
    check(fm_point_wait(device, done, ten_seconds));
    printf("%g %g ... %g\n", (double)y[0], (double)y[1], (double)y[63]); // 100 102 ... 226
    check(fm_device_close(&device, ten_seconds));                        // takes the kernel and the stream along
}

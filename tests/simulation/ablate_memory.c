// Ablations of what keeps memory and kernels: holds, free after completion, donation, death points. See ablate.h.
// A scenario says whether everything was right: true with the guard, false without it, every time.
#include "ablate.h"

// The caller drops an input right after the commit; the next buffer gets its memory if nothing holds it (`001`, MLX).
bool ablate_hold_buffers(bool ablate)
{
    scene b;
    scene_set_up(&b, FM_ABLATE_HOLD_BUFFERS, ablate, NULL);
    fm_point point = scene_commit_twice_of_three(&b);
    MUST(fm_buffer_destroy(b.device, b.x));
    scene_make_buffer(&b);
    return scene_finish(&b, point, 7.0f);
}

// A kernel destroyed between commit and execution (`004`, MLX).
bool ablate_hold_kernels(bool ablate)
{
    scene b;
    scene_set_up(&b, FM_ABLATE_HOLD_KERNELS, ablate, NULL);
    fm_point point = scene_commit(&b, scene_record_all(&b, 3.0f));
    MUST(fm_kernel_destroy(b.device, b.twice));
    return scene_finish(&b, point, 7.0f);
}

// A temporary input dropped while the list is still recorded: only the bind path has seen it (`001`: nine kernels' temporaries).
bool ablate_hold_in_bind(bool ablate)
{
    scene b;
    scene_set_up(&b, FM_ABLATE_HOLD_IN_BIND, ablate, NULL);
    static float ones[COUNT];
    for (int i = 0; i < COUNT; i++) {
        ones[i] = 3.0f;
    }
    fm_commands *commands = scene_begin(&b);
    MUST(fm_upload(commands, b.x, 0, sizeof ones, ones));
    fm_point filled = scene_commit(&b, commands);
    MUST(fm_testing_step(b.device, ALL, NULL));
    MUST(fm_point_poll(b.device, filled));
    commands = scene_begin(&b);
    scene_record_twice(&b, commands, b.twice);
    MUST(fm_buffer_destroy(b.device, b.x));
    scene_make_buffer(&b);
    MUST(fm_read(commands, b.y, 0, sizeof b.out, b.out));
    return scene_finish(&b, scene_commit(&b, commands), 7.0f);
}

// Submitted is not done: the batch is on the device, nothing of it has run (`003`, Quadrants: freed at flush).
bool ablate_free_after_done(bool ablate)
{
    scene b;
    scene_set_up(&b, FM_ABLATE_FREE_AFTER_DONE, ablate, NULL);
    fm_point point = scene_commit_twice_of_three(&b);
    MUST(fm_buffer_destroy(b.device, b.x));
    MUST(fm_buffer_destroy(b.device, b.y));
    scene_make_buffer(&b);
    scene_make_buffer(&b);
    return scene_finish(&b, point, 7.0f);
}

// A step in place: the output takes the input's memory over while a list that reads the input is in flight, and dies before it has run (`001`).
bool ablate_donation(bool ablate)
{
    scene b;
    scene_set_up(&b, FM_ABLATE_DONATION_KEEPS_HOLD, ablate, NULL);
    fm_point point = scene_commit_twice_of_three(&b);
    fm_buffer output;
    MUST(fm_buffer_donate(b.device, b.x, FM_WHOLE_SIZE, NULL, &output));
    MUST(fm_buffer_destroy(b.device, output));
    scene_make_buffer(&b);
    return scene_finish(&b, point, 7.0f);
}

// A destroyed buffer's memory is still read by a list in flight; a new buffer of nobody's stream must not get it.
bool ablate_death_points(bool ablate)
{
    scene b;
    scene_set_up(&b, FM_ABLATE_DEATH_POINTS, ablate, NULL);
    fm_point point = scene_commit_twice_of_three(&b);
    MUST(fm_buffer_destroy(b.device, b.x));
    scene_make_buffer(&b); // zeroed by the host, at once
    return scene_finish(&b, point, 7.0f);
}

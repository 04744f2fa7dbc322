// Ablations of what keeps order, answers and bounds: reads, barriers, publishing, failures, retirement, the in-flight limit. See ablate.h.
// A scenario says whether everything was right: true with the guard, false without it, every time.
#include "ablate.h"

// Two batches are in flight and done but not collected, so the read's own list still waits in the queue when "everything in
// flight" is over (`000`, candle).
bool ablate_read_own_list(bool ablate)
{
    scene b;
    scene_set_up(&b, FM_ABLATE_READ_OWN_LIST, ablate, &(fm_device_info){.batches_in_flight = 2});
    fm_commands *commands = scene_begin(&b);
    scene_record_fill(&b, commands, 3.0f);
    scene_commit(&b, commands);
    commands = scene_begin(&b);
    scene_record_twice(&b, commands, b.twice);
    scene_commit(&b, commands);
    MUST(fm_testing_step(b.device, ALL, NULL));
    MUST(fm_testing_step_in_waits(b.device, 1));
    bool right = fm_buffer_read(b.device, b.stream, b.y, 0, sizeof b.out, b.out, 1000000000) == FM_OK &&
                 scene_all_are(b.out, 7.0f);
    return scene_tear_down(&b) && right;
}

// Fill, dispatch and read depend on each other; the device runs a wave's commands last to first.
bool ablate_barriers(bool ablate)
{
    scene b;
    scene_set_up(&b, FM_ABLATE_BARRIERS, ablate, NULL);
    MUST(fm_testing_set_order(b.device, 1));
    return scene_finish(&b, scene_commit(&b, scene_record_all(&b, 3.0f)), 7.0f);
}

// A long list on one queue writes what a short one of another stream reads on the other, which the device would run first.
bool ablate_queue_waits(bool ablate)
{
    scene b;
    scene_set_up(&b, FM_ABLATE_QUEUE_WAITS, ablate, &(fm_device_info){.queues = 2});
    fm_stream other;
    MUST(fm_stream_create(b.device, NULL, &other));
    MUST(fm_testing_set_wave_ns(b.device, 100000)); // the first batch teaches that the kernel is long
    fm_commands *commands = scene_begin(&b);
    scene_record_twice(&b, commands, b.twice);
    fm_point taught = scene_commit(&b, commands);
    MUST(fm_testing_step(b.device, ALL, NULL));
    MUST(fm_point_poll(b.device, taught)); // y is 1
    commands = scene_begin(&b);
    scene_record_fill(&b, commands, 3.0f);
    fm_point filled = scene_commit(&b, commands), read;
    MUST(fm_testing_step(b.device, ALL, NULL));
    MUST(fm_point_poll(b.device, filled));
    commands = scene_begin(&b);
    scene_record_twice(&b, commands, b.twice);
    scene_commit(&b, commands);
    commands = scene_begin(&b);
    MUST(fm_read(commands, b.y, 0, sizeof b.out, b.out));
    MUST(fm_commit(&commands, &(fm_commit_info){.stream = other}, &read));
    return scene_finish(&b, read, 7.0f);
}

// RETIRE-9. Two batches of one stream complete before anyone looks; a published point must never become incomplete again.
bool ablate_ordered_publish(bool ablate)
{
    scene b;
    scene_set_up(&b, FM_ABLATE_ORDERED_PUBLISH, ablate, &(fm_device_info){.batches_in_flight = 2});
    fm_commands *commands = scene_begin(&b);
    scene_record_fill(&b, commands, 1.0f);
    fm_point first = scene_commit(&b, commands);
    commands = scene_begin(&b);
    scene_record_fill(&b, commands, 2.0f);
    fm_point second = scene_commit(&b, commands);
    MUST(fm_testing_step(b.device, ALL, NULL));
    bool right = fm_point_poll(b.device, first) == FM_OK && fm_point_poll(b.device, second) == FM_OK;
    if (!right) { // without the order this stream never catches up: close would wait for nothing else
        scene_tear_down(&b);
        return false;
    }
    return scene_tear_down(&b);
}

// A failed list among good ones, and nobody asked about it before everything was collected.
bool ablate_keep_failures(bool ablate)
{
    scene b;
    scene_set_up(&b, FM_ABLATE_KEEP_FAILURES, ablate, NULL);
    fm_commands *commands = scene_begin(&b);
    scene_record_twice(&b, commands, scene_make_kernel(&b, scene_run_broken));
    fm_point failed = scene_commit(&b, commands);
    MUST(fm_testing_step(b.device, ALL, NULL));
    fm_point_poll(b.device, failed); // collects; this answer is thrown away
    bool told = fm_point_poll(b.device, failed) == FM_ERROR_KERNEL_FAILED;
    return scene_tear_down(&b) && told;
}

// A program that only reads back, with a temporary each time, stays bounded.
bool ablate_retire_on_read(bool ablate)
{
    scene b;
    scene_set_up(&b, FM_ABLATE_RETIRE_ON_READ, ablate, NULL);
    MUST(fm_testing_step_in_waits(b.device, 1));
    fm_device_stats stats;
    uint64_t first_peak = 0;
    for (int i = 0; i < 50; i++) {
        fm_buffer temporary = scene_make_buffer(&b);
        fm_commands *commands = scene_begin(&b);
        MUST(fm_fill(commands, temporary, 0, FM_WHOLE_SIZE, 0));
        scene_commit(&b, commands);
        MUST(fm_buffer_read(b.device, b.stream, temporary, 0, sizeof b.out, b.out, 1000000000));
        MUST(fm_buffer_destroy(b.device, temporary));
        MUST(fm_device_get_stats(b.device, &stats));
        first_peak = i == 0 ? stats.bytes_in_use_peak : first_peak;
    }
    bool bounded = stats.bytes_in_use_peak == first_peak;
    return scene_tear_down(&b) && bounded;
}

// Three batches in flight, the limit; the oldest is done. The next commit needs that one alone.
bool ablate_wait_for_oldest(bool ablate)
{
    scene b;
    scene_set_up(&b, FM_ABLATE_WAIT_FOR_OLDEST, ablate,
                 &(fm_device_info){.batches_in_flight = 3, .lists_in_flight = 3, .commit_timeout_ns = 1000000});
    for (int i = 0; i < 3; i++) {
        fm_commands *commands = scene_begin(&b);
        scene_record_fill(&b, commands, 1.0f);
        scene_commit(&b, commands);
    }
    MUST(fm_testing_step(b.device, 1, NULL)); // one list is one command
    fm_commands *commands = scene_begin(&b);
    scene_record_fill(&b, commands, 2.0f);
    fm_status status = fm_commit(&commands, &(fm_commit_info){.stream = b.stream}, NULL);
    MUST(fm_commands_cancel(&commands)); // still ours if the commit was refused
    return scene_tear_down(&b) && status == FM_OK;
}

// Two streams fail, and nobody has asked before both were collected; each has its own waiter, and each its own record.
bool ablate_keep_every_failure(bool ablate)
{
    scene b;
    scene_set_up(&b, FM_ABLATE_KEEP_EVERY_FAILURE, ablate, NULL);
    fm_kernel broken = scene_make_kernel(&b, scene_run_broken);
    fm_stream other;
    MUST(fm_stream_create(b.device, NULL, &other));
    fm_commands *commands = scene_begin(&b);
    scene_record_twice(&b, commands, broken);
    fm_point first = scene_commit(&b, commands), second;
    commands = scene_begin(&b);
    scene_record_twice(&b, commands, broken);
    MUST(fm_commit(&commands, &(fm_commit_info){.stream = other}, &second));
    MUST(fm_testing_step(b.device, ALL, NULL));
    fm_failure failure;
    bool right = fm_point_poll(b.device, first) == FM_ERROR_KERNEL_FAILED &&
                 fm_point_poll(b.device, second) == FM_ERROR_KERNEL_FAILED;
    for (int i = 0; i < 2; i++) {
        right = right && fm_device_take_failure(b.device, &failure) == FM_OK;
    }
    return scene_tear_down(&b) && right;
}

// Every guard, proven both ways on the manual device: a scenario is right with the guard and wrong without it, every time (ABLATE-2).
// One thread, no clocks: a race is an order of calls. Scenarios are in ablate_memory.c, ablate_order.c and ablate_kernels.c, the table in ablate.c.
#ifndef SIMULATION_ABLATE_H
#define SIMULATION_ABLATE_H

#include <fermata/testing.h>

#include <stdbool.h>

enum { COUNT = 64, ALL = 1 << 20 };

// A manual device with one guard perhaps missing, and what most scenarios need.
typedef struct scene {
    fm_device *device;
    fm_stream stream;
    fm_kernel twice; // y = 2 x + 1
    fm_buffer x, y;
    float out[COUNT]; // where reads go; -1 before
} scene;

// Stops the program if a call of the set-up fails.
void scene_must(fm_status status, const char *file, int line);
#define MUST(call) scene_must(call, __FILE__, __LINE__)

void scene_set_up(scene *b, fm_ablation ablation, bool ablate, const fm_device_info *info);

// Lets everything finish, guard or not, and says whether no command touched what nothing held.
bool scene_tear_down(scene *b);

fm_kernel scene_make_kernel(scene *b, fm_host_function function);
fm_status scene_run_broken(const fm_host_call *call);
fm_buffer scene_make_buffer(scene *b);
fm_commands *scene_begin(scene *b);
void scene_record_fill(scene *b, fm_commands *commands, float value);
void scene_record_twice(scene *b, fm_commands *commands, fm_kernel kernel);
fm_commands *scene_record_all(scene *b, float value);
fm_point scene_commit(scene *b, fm_commands *commands);
fm_point scene_commit_twice_of_three(scene *b);
bool scene_all_are(const float *out, float expected);

// The device runs, the point must be complete and `out` hold the value.
bool scene_finish(scene *b, fm_point point, float expected);

// The scenarios.
bool ablate_hold_buffers(bool ablate);
bool ablate_hold_kernels(bool ablate);
bool ablate_hold_in_bind(bool ablate);
bool ablate_free_after_done(bool ablate);
bool ablate_donation(bool ablate);
bool ablate_death_points(bool ablate);
bool ablate_read_own_list(bool ablate);
bool ablate_barriers(bool ablate);
bool ablate_queue_waits(bool ablate);
bool ablate_ordered_publish(bool ablate);
bool ablate_keep_failures(bool ablate);
bool ablate_keep_every_failure(bool ablate);
bool ablate_retire_on_read(bool ablate);
bool ablate_wait_for_oldest(bool ablate);
bool ablate_whole_key(bool ablate);
bool ablate_evict_unheld(bool ablate);
bool ablate_evict_reusable(bool ablate);
bool ablate_hold_variants(bool ablate);

// What a guard costs: processor time of one submission with the guard minus without it, in nanoseconds (ablate_cost.c).
typedef struct guard_cost {
    double median_ns;
    double low_ns; // quartiles of the paired runs
    double high_ns;
    double submission_ns; // the whole submission with all guards
} guard_cost;

guard_cost ablate_measure(fm_ablation ablation);

#endif

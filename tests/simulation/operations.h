// The explorer's operations: one function and one row of this table each. An operation does what its numbers say if that is legal now,
// and nothing otherwise, so that any part of a trace is a trace. Each changes the library and the model alike.
#ifndef SIMULATION_OPERATIONS_H
#define SIMULATION_OPERATIONS_H

#include "world.h"

// X(name, weight, what it does)
#define OPERATIONS(X)                                                                                                  \
    X(create, 8, "make a buffer")                                                                                      \
    X(destroy, 6, "destroy a buffer, whatever uses it")                                                                \
    X(donate, 4, "donate a buffer to an output")                                                                       \
    X(use_dead, 1, "use a destroyed buffer's handle")                                                                  \
    X(fill, 5, "record a fill")                                                                                        \
    X(copy, 6, "record a copy")                                                                                        \
    X(twice, 12, "record a dispatch")                                                                                  \
    X(broken, 1, "record a dispatch that fails")                                                                       \
    X(upload, 4, "record an upload")                                                                                   \
    X(read_back, 8, "record a read-back")                                                                              \
    X(barrier, 1, "record a barrier")                                                                                  \
    X(cancel, 1, "cancel a list")                                                                                      \
    X(commit, 14, "commit without waiting")                                                                            \
    X(commit_waiting, 4, "commit, waiting at the limit")                                                               \
    X(signal, 6, "end a point of the program")                                                                         \
    X(cancel_point, 3, "cancel what was committed")                                                                    \
    X(poll, 5, "ask for every point")                                                                                  \
    X(wait_no_time, 2, "wait for a point with no time")                                                                \
    X(wait, 2, "wait for a point while the device runs")                                                               \
    X(read_now, 3, "read synchronously")                                                                               \
    X(read_no_time, 2, "read synchronously with no time")                                                              \
    X(write_now, 2, "write synchronously")                                                                             \
    X(callback, 3, "ask to be called back")                                                                            \
    X(run_callbacks, 2, "run the callbacks that are due")                                                              \
    X(take_failure, 2, "take a failure that nobody has taken")                                                         \
    X(replace_stream, 1, "destroy a stream, whatever is under way, and make another")                                  \
    X(reset, 3, "reset a stream")                                                                                      \
    X(replace_kernel, 2, "destroy the kernel, whatever uses it, and make another")                                     \
    X(step, 14, "the device runs a command")                                                                           \
    X(step_many, 3, "the device runs some commands")                                                                   \
    X(trim, 1, "give unused memory back")                                                                              \
    X(order, 2, "choose the order inside waves")                                                                       \
    X(refuse, 1, "the device refuses the next batch")                                                                  \
    X(fail_list, 1, "the device fails the list that it is at")                                                         \
    X(crowd, 4, "commit a list of a crowd, which nothing but its memory orders")                                       \
    X(lose, 1, "the device is lost, one time in eight")

#define OPERATION_DECLARE(name, weight, text) void operation_##name(world *w, const op *o);
OPERATIONS(OPERATION_DECLARE)
#undef OPERATION_DECLARE

#define OPERATION_ENUM(name, weight, text) OPERATION_##name,
enum { OPERATIONS(OPERATION_ENUM) OPERATION_COUNT };
#undef OPERATION_ENUM

void operation_destroy_buffer(world *w, int slot);
uint32_t operation_weight(int kind);

// Performs one; prints one: its name, its numbers and what it does.
void operation_perform(world *w, const op *o);
void operation_print(const op *o);

#endif

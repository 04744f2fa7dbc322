// Fermata: GPU compute submission for C, in which nothing is freed too early, read too early or forgotten.
// Include this one; there is one header per object beneath it.
//
// Step by step (examples/hello/hello.c is this tour as a program, docs/tutorial.md goes on from there):
//   1. fm_device_open("auto", NULL, &device): the best device there is. All else belongs to one device.
//   2. fm_stream_create: an order for work. Streams are cheap; one a thread or a sequence is usual.
//   3. fm_buffer_create: memory, zero at first. fm_kernel_create: a body in a C-like language, its parameters, its
//      constants.
//   4. fm_commands_begin: a list, plain memory that one thread at a time records. fm_upload, fm_dispatch, fm_copy,
//      fm_fill and fm_read add to it, and check there and then. What a list binds, it holds.
//   5. fm_commit(&commands, info, &point): the list goes to a stream, and the pointer becomes NULL. The point says
//      "this far along this stream". Lists of all threads are merged into few native submissions; barriers stand where
//      memory conflicts.
//   6. fm_buffer_destroy, fm_kernel_destroy: at any moment, also right behind the commit. The handle is dead, and what
//      lists use lives until they are done. fm_stream_destroy: when nobody asks for its points any more, which go with it.
//   7. fm_point_wait with a timeout, fm_point_poll, or fm_point_on_complete. Then what fm_read names is filled. Naming
//      the point among another commit's `after` orders streams, and no thread waits.
//   8. fm_device_close with a timeout: takes along what is left.
// Short forms: fm_buffer_write and fm_buffer_read record, commit and wait in one call.
//
// Every call that can fail:
//   - answers an fm_status; FM_OK is 0. What an error is about, fm_last_error says in a full sentence, to the same
//     thread.
//   - may be made from any thread, unless its comment says otherwise. None waits without an end: the caller or a
//     setting gives it.
//   - refuses old, foreign and null handles. None is undefined because a handle is old.
// Structs are filled by field name (`.size_bytes = n`): what is left out is 0, and 0 is the default. Timeouts are in
// nanoseconds.
//
// What the library does not do:
//   - draw, present, or touch images: it is for compute.
//   - know tensors, shapes or layouts: a buffer is bytes, and a kernel says what they are.
//   - look into kernels: an index beyond its binding, and a race between work-items, are the kernel's own.
//   - order streams that no `after` point orders, beyond what their memory needs; or commands of an untracked list,
//     where fm_barrier does (FM_COMMANDS_UNTRACKED).
//   - move live memory, or spread one buffer over devices.
//   - cut a running kernel short: a timeout ends the wait, not the work.
//
// Tags in comments, such as HOLD-1, are rules: requirements.md and invariants.md say which, and kernel-language.md
// describes the kernel language. All are in docs/ of the source and in share/doc/fermata of an installation.
#ifndef FERMATA_FERMATA_H
#define FERMATA_FERMATA_H

#include <fermata/buffer.h>
#include <fermata/commands.h>
#include <fermata/device.h>
#include <fermata/kernel.h>
#include <fermata/status.h>
#include <fermata/stream.h>

#endif

// The process that the library runs in: it may fork, end, or unload the library.
// A fork leaves the child one thread and every lock as it stood. So whoever works with what is one for the whole process (a compiler's
// state, the driver's loader, the shells' list) does it in a section, and a fork waits until no other thread is in one. Everything
// that belongs to a device is left alone in a child: its shell says that it was lost (base/shell.h).
// Any thread; sections of one thread may nest. Never on a hot path.
#ifndef FMI_BASE_PROCESS_H
#define FMI_BASE_PROCESS_H

#include <fermata/status.h>

#include <stdbool.h>

// Begins and ends a section. Begin waits while a fork goes on. A section ends in the child, too, if its thread forked in it (drivers start
// helper programs that way).
void fmi_process_enter(void);
void fmi_process_leave(void);

// Counts the forks between the first process and this one: what was made at another number is the parent's.
uint32_t fmi_process_generation(void);

// exit(), as far as it destroys what calls still need (a driver's and compilers' objects); whoever owns such a thing has a handler for it, which
// calls these three in turn, once.
// Begins: what ends at exit has ended (base/shell.h) and answers so; the calling thread is the one that exits. Other threads are
// held wherever they learn of it.
void fmi_process_end(void);
// Has other threads begin no section any more, and waits until none is in one, until `deadline_ns` (base/clock.h) at most.
void fmi_process_end_sections(uint64_t deadline_ns);
// From here on others are held for a while only.
void fmi_process_end_done(void);

// Holds a thread that has learnt that the process ends, unless it is the one that exits: so that no failure which comes of the end reaches the
// program while it ends. A few seconds behind fmi_process_end_done it returns: whoever waits for the thread in a handler of exit() then gets on.
// The caller has entered nothing that the end waits for. Returns at once where nothing ends.
void fmi_process_hold(void);

// FM_OK; FM_ERROR_LOST_IN_FORK in a child whose parent was in a section for so long that the fork did not wait for its end, and
// FM_ERROR_OUT_OF_HOST_MEMORY where the process could not be watched from the start. Then nothing of the process may be used.
fm_status fmi_process_check(const char *caller);

// For destructors: is the library being unloaded from a process that goes on? At the end of a process threads may still be in calls, and
// the system takes everything back.
bool fmi_process_goes_on(void);

#endif

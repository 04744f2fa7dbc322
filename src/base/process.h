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

// FM_OK; FM_ERROR_LOST_IN_FORK in a child whose parent was in a section for so long that the fork did not wait for its end, and
// FM_ERROR_OUT_OF_HOST_MEMORY where the process could not be watched from the start. Then nothing of the process may be used.
fm_status fmi_process_check(const char *caller);

// For destructors: is the library being unloaded from a process that goes on? At the end of a process threads may still be in calls, and
// the system takes everything back.
bool fmi_process_goes_on(void);

#endif

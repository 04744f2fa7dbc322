// The calling thread's last error: one full sentence. Public as fm_last_error; set by every layer through fmi_fail.
// Each thread has its own buffer, so nothing here is shared.
#ifndef FMI_BASE_ERROR_H
#define FMI_BASE_ERROR_H

#include <fermata/status.h>

// Stores the sentence and returns `status`, so that a check reads `return fmi_fail(FM_ERROR_…, "fm_x: …", …);`.
fm_status fmi_fail(fm_status status, const char *format, ...) __attribute__((format(printf, 2, 3), cold));

// Stores the status's own text: for answers that are asked for often, where formatting would cost more than the question.
fm_status fmi_answer(fm_status status);

// Keeps the calling thread's sentence while work is done that is not the caller's own: what that work reports goes elsewhere, and a call
// that succeeds leaves the last error as it was.
typedef struct fmi_error_state {
    char text[4096];
} fmi_error_state;
void fmi_error_save(fmi_error_state *state);
void fmi_error_restore(const fmi_error_state *state);

// Puts "prefix: " before the last error's sentence, in place of another public function's name. Used where a lower layer found the fault
// and an upper one knows the call.
void fmi_error_prefix(const char *prefix) __attribute__((cold));

#endif
